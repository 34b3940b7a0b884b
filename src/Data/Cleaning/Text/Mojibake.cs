using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Repairs text that was UTF-8 and was read as Windows-1252 or Latin-1, once or several times. In the spirit of ftfy (Speer, "ftfy", Zenodo 2019): only
/// what correct text cannot hold is touched. A line whose every character beyond ASCII is part of broken sequences, one of them certain, is decoded
/// whole; in other lines only certain sequences are.
/// </summary>
internal static class Mojibake
{
    /// <summary>Text that needs more rounds was made to need them; it is left alone.</summary>
    private const int MostRounds = 6;

    /// <summary>The repaired text; the same instance if there is nothing to repair.</summary>
    /// <param name="text">Valid UTF-16.</param>
    /// <param name="repaired">Sequences decoded, each round counted.</param>
    internal static string Repair(string text, out int repaired)
    {
        repaired = 0;
        if (!HasSequence(text)) return text;
        return new Repairer().Repair(text, out repaired);
    }

    private static bool HasSequence(ReadOnlySpan<char> text)
    {
        for (int at = 0; ; at++)
        {
            int found = text[at..].IndexOfAnyInRange('\u00C2', '\u00F4');
            if (found < 0) return false;
            at += found;
            if (MojibakeSequence.TryRead(text, at, out _)) return true;
        }
    }

    private sealed class Repairer
    {
        private readonly List<MojibakeSequence> _sequences = [];
        private readonly List<bool> _chosen = [];
        private readonly StringBuilder _builder = new();

        internal string Repair(string text, out int repaired)
        {
            repaired = 0;
            bool evidence = false;
            for (int start = 0, end; start < text.Length; start = end)
            {
                end = EndOfLine(text, start);
                ReadOnlySpan<char> line = text.AsSpan(start, end - start);
                if (!HasSequence(line)) continue;
                Survey(line, evidence: false, out bool isCertain);
                evidence |= isCertain;
            }
            if (!evidence) return text;
            var result = new StringBuilder(text.Length);
            for (int start = 0, end; start < text.Length; start = end)
            {
                end = EndOfLine(text, start);
                ReadOnlySpan<char> line = text.AsSpan(start, end - start);
                if (HasSequence(line)) result.Append(Line(line.ToString(), ref repaired));
                else result.Append(line);
            }
            return repaired == 0 ? text : result.ToString();
        }

        // Other line ends may be bytes of broken characters.
        private static int EndOfLine(string text, int start)
        {
            int end = text.IndexOf('\n', start) + 1;
            return end == 0 ? text.Length : end;
        }

        private string Line(string line, ref int repaired)
        {
            string current = line;
            int total = 0;
            for (int round = 0; round < MostRounds; round++)
            {
                int chosen = Survey(current, evidence: true, out _);
                if (chosen == 0)
                {
                    repaired += total;
                    return current;
                }
                total += chosen;
                current = Decode(current);
            }
            return line;
        }

        /// <summary>Finds the sequences of a line and chooses those to decode; says how many.</summary>
        private int Survey(ReadOnlySpan<char> line, bool evidence, out bool isCertain)
        {
            _sequences.Clear();
            _chosen.Clear();
            isCertain = false;
            bool isWhole = true;
            for (int at = 0; at < line.Length;)
            {
                if (MojibakeSequence.TryRead(line, at, out MojibakeSequence sequence))
                {
                    _sequences.Add(sequence);
                    at = sequence.End;
                    continue;
                }
                isWhole &= line[at] < 0x80;
                at++;
            }
            int chosen = 0;
            for (int start = 0, end; start < _sequences.Count; start = end)
            {
                bool isRun = Run(line, start, out end);
                for (int i = start; i < end; i++)
                {
                    bool choose = isRun || _sequences[i].IsCertain(line);
                    isCertain |= choose;
                    _chosen.Add(choose || evidence && isWhole && MojibakeSequence.IsCommonLead(line[_sequences[i].Start]));
                }
            }
            for (int i = 0; i < _chosen.Count; i++)
            {
                if (isWhole && isCertain) _chosen[i] = true;
                if (_chosen[i]) chosen++;
            }
            return chosen;
        }

        /// <summary>Whether neighbouring sequences are too many to be chance.</summary>
        private bool Run(ReadOnlySpan<char> line, int start, out int end)
        {
            bool hasMore = _sequences[start].HasMore(line);
            for (end = start + 1; end < _sequences.Count && _sequences[end].Start == _sequences[end - 1].End; end++) hasMore |= _sequences[end].HasMore(line);
            return end - start >= 3 || end - start == 2 && hasMore;
        }

        private string Decode(string line)
        {
            _builder.Clear();
            int copied = 0;
            for (int i = 0; i < _sequences.Count; i++)
            {
                if (!_chosen[i]) continue;
                MojibakeSequence sequence = _sequences[i];
                _builder.Append(line, copied, sequence.Start - copied).Append(new Rune(sequence.Value).ToString());
                copied = sequence.End;
            }
            return _builder.Append(line, copied, line.Length - copied).ToString();
        }
    }
}
