using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Normalization forms C and KC (Unicode Standard Annex 15). Only the segments that could change are looked at closely.</summary>
internal static class UnicodeNormalizer
{
    /// <summary>Below this nothing changes in form C, and nothing combines with what stands before it.</summary>
    private const char FirstOfInterest = '\u0300';

    /// <summary>The normalized text; the same instance if it was normalized before.</summary>
    /// <param name="text">Valid UTF-16.</param>
    /// <param name="compatibility">Form KC instead of C.</param>
    /// <param name="changed">Segments (a base character with its marks) that were changed.</param>
    internal static string Normalize(string text, bool compatibility, out int changed)
    {
        changed = 0;
        NormalizationData data = NormalizationData.Instance;
        byte flag = compatibility ? NormalizationData.NotSurelyNfkc : NormalizationData.NotSurelyNfc;
        char interesting = compatibility ? '\u00A0' : FirstOfInterest;
        StringBuilder? result = null;
        var segment = new Segment(data, compatibility);
        int copied = 0;
        for (int at = Next(text, 0, interesting); at < text.Length; at = Next(text, at, interesting))
        {
            int point = PointAt(text, at);
            if ((data.Flags(point) & flag) == 0)
            {
                at += Units(point);
                continue;
            }
            int start = at;
            if (start > copied) start -= start - 1 > copied && char.IsLowSurrogate(text[start - 1]) ? 2 : 1;
            int end = at + Units(point);
            while (end < text.Length && PointAt(text, end) is var next && (data.Flags(next) & flag) != 0) end += Units(next);
            ReadOnlySpan<char> before = text.AsSpan(start, end - start);
            ReadOnlySpan<char> after = segment.Normalize(before);
            if (!after.SequenceEqual(before))
            {
                result ??= new StringBuilder(text.Length);
                result.Append(text, copied, start - copied).Append(after);
                copied = end;
                changed++;
            }
            at = end;
        }
        return result is null ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    private static int Next(string text, int from, char interesting)
    {
        int found = text.AsSpan(from).IndexOfAnyInRange(interesting, '\uFFFF');
        return found < 0 ? text.Length : from + found;
    }

    private static int PointAt(string text, int at) => char.IsHighSurrogate(text[at]) ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at];

    private static int Units(int point) => point < 0x10000 ? 1 : 2;

    /// <summary>Decomposes, orders and composes a piece of text.</summary>
    private sealed class Segment(NormalizationData data, bool compatibility)
    {
        private readonly List<(int Point, byte Class)> _points = [];
        private char[] _result = new char[64];

        internal ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
        {
            _points.Clear();
            foreach (Rune rune in text.EnumerateRunes()) Decompose(rune.Value);
            Order();
            Compose();
            if (_result.Length < 2 * _points.Count) _result = new char[4 * _points.Count];
            int length = 0;
            foreach ((int point, _) in _points) length += new Rune(point).EncodeToUtf16(_result.AsSpan(length));
            return _result.AsSpan(0, length);
        }

        private void Decompose(int point)
        {
            if (Hangul.IsSyllable(point))
            {
                (int lead, int vowel, int final) = Hangul.Parts(point);
                _points.Add((lead, 0));
                _points.Add((vowel, 0));
                if (final != 0) _points.Add((final, 0));
                return;
            }
            ReadOnlySpan<int> parts = data.Decomposition(point, compatibility);
            if (parts.IsEmpty) _points.Add((point, data.Class(point)));
            foreach (int part in parts) _points.Add((part, data.Class(part)));
        }

        /// <summary>Sorts each run of marks by class; marks of one class keep their order.</summary>
        private void Order()
        {
            for (int start = 0; start < _points.Count; start++)
            {
                if (_points[start].Class == 0) continue;
                int end = start;
                while (end < _points.Count && _points[end].Class != 0) end++;
                var ordered = _points[start..end].OrderBy(point => point.Class).ToList();
                for (int i = 0; i < ordered.Count; i++) _points[start + i] = ordered[i];
                start = end;
            }
        }

        private void Compose()
        {
            int starter = -1, kept = 0;
            byte last = 0;
            for (int i = 0; i < _points.Count; i++)
            {
                (int point, byte combining) = _points[i];
                bool blocked = starter < 0 || kept > starter + 1 && last >= combining;
                int composed = blocked ? -1 : Composition(_points[starter].Point, point);
                if (composed >= 0)
                {
                    _points[starter] = (composed, 0);
                    continue;
                }
                if (combining == 0) starter = kept;
                last = combining;
                _points[kept++] = (point, combining);
            }
            _points.RemoveRange(kept, _points.Count - kept);
        }

        private int Composition(int first, int second) =>
            Hangul.Composition(first, second) is >= 0 and var syllable ? syllable : data.Composition(first, second);
    }
}
