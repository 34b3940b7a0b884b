using System.Text;

namespace ElasticTrain.Host.Commands;

/// <summary>Text that arrives in pieces and ends before the first stop string. What may be the beginning of one is held back until that is decided.</summary>
/// <param name="stops">Stop strings, none of them empty.</param>
/// <param name="write">Gets the text, in pieces.</param>
internal sealed class StreamedText(IReadOnlyList<string> stops, Action<string> write)
{
    private readonly StringBuilder _held = new();

    /// <summary>Takes a piece.</summary>
    /// <returns>Whether a stop string has come; nothing more must be given then.</returns>
    internal bool Add(string piece)
    {
        string text = _held.Append(piece).ToString();
        _held.Clear();
        int end = stops.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(index => index >= 0).DefaultIfEmpty(-1).Min();
        if (end >= 0)
        {
            write(text[..end]);
            return true;
        }
        int safe = text.Length - stops.Select(stop => Overlap(text, stop)).DefaultIfEmpty(0).Max();
        write(text[..safe]);
        _held.Append(text, safe, text.Length - safe);
        return false;
    }

    /// <summary>No more text comes: what was held back was no stop string.</summary>
    internal void End() => write(_held.ToString());

    /// <summary>Length of the longest end of the text that is a beginning of the stop string.</summary>
    private static int Overlap(string text, string stop)
    {
        for (int length = Math.Min(stop.Length - 1, text.Length); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length))) return length;
        }
        return 0;
    }
}
