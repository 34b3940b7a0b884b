using System.Runtime.InteropServices;

namespace ElasticTrain.Data;

/// <summary>Cuts text into pre-tokens. Keeps its buffers: not for two threads at once.</summary>
internal sealed class PreTokenScanner(PreTokenization rules)
{
    private readonly List<int> _ends = [];
    private CodePoint[] _points = [];

    /// <summary>Where the pre-tokens of a text end, in bytes. Valid until the next call.</summary>
    /// <param name="utf8">Valid UTF-8: see <see cref="System.Text.Unicode.Utf8.IsValid"/>.</param>
    internal ReadOnlySpan<int> Scan(ReadOnlySpan<byte> utf8)
    {
        Reserve(utf8.Length);
        int count = 0;
        for (int i = 0; i < utf8.Length;)
        {
            int first = utf8[i];
            (int value, int length) = first switch
            {
                < 0x80 => (first, 1),
                < 0xE0 => ((first & 0x1F) << 6 | Rest(utf8, i + 1), 2),
                < 0xF0 => ((first & 0x0F) << 12 | Rest(utf8, i + 1) << 6 | Rest(utf8, i + 2), 3),
                _ => ((first & 0x07) << 18 | Rest(utf8, i + 1) << 12 | Rest(utf8, i + 2) << 6 | Rest(utf8, i + 3), 4),
            };
            _points[count++] = new CodePoint(value);
            i += length;
        }
        return Ends(count, isUtf8: true);

        static int Rest(ReadOnlySpan<byte> utf8, int at) => utf8[at] & 0x3F;
    }

    /// <summary>Where the pre-tokens of a text end, in UTF-16 units. Valid until the next call.</summary>
    internal ReadOnlySpan<int> Scan(ReadOnlySpan<char> text)
    {
        Reserve(text.Length);
        int count = 0;
        for (int i = 0; i < text.Length; i++)
        {
            bool isPair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            _points[count++] = new CodePoint(isPair ? char.ConvertToUtf32(text[i], text[++i]) : text[i]);
        }
        return Ends(count, isUtf8: false);
    }

    private void Reserve(int length)
    {
        if (_points.Length < length) _points = new CodePoint[Math.Max(length, 2 * _points.Length)];
    }

    private ReadOnlySpan<int> Ends(int count, bool isUtf8)
    {
        _ends.Clear();
        PreTokenRules.Cut(rules, _points.AsSpan(0, count), _ends);
        Span<int> ends = CollectionsMarshal.AsSpan(_ends);
        int point = 0, at = 0;
        foreach (ref int end in ends)
        {
            for (; point < end; point++) at += isUtf8 ? _points[point].Utf8Length : _points[point].Utf16Length;
            end = at;
        }
        return ends;
    }
}
