using System.Globalization;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// What normalization asks of the Unicode Character Database. The runtime's own normalization does nothing in invariant globalization mode, so the
/// data (Unicode 14.0) are embedded; normalization of assigned characters never changes between versions of Unicode.
/// </summary>
internal sealed class NormalizationData
{
    private const string ResourceName = "ElasticTrain.Data.Cleaning.normalization.txt";

    /// <summary>Bits of <see cref="Flags"/>.</summary>
    internal const byte NotSurelyNfc = 1, NotSurelyNfkc = 2;

    private static readonly Lazy<NormalizationData> Loaded = new(() => new NormalizationData());

    private readonly Dictionary<int, byte> _classes = [];
    private readonly Dictionary<int, int[]> _canonical = [], _compatibility = [];
    private readonly Dictionary<long, int> _compositions = [];
    private readonly byte[] _flags = new byte[0x10000];
    private readonly Dictionary<int, byte> _flagsBeyond = [];

    private NormalizationData()
    {
        using Stream stream = typeof(NormalizationData).Assembly.GetManifestResourceStream(ResourceName)!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
            if (line[0] != '#') Read(line);
        Expand(_canonical, _canonical);
        Expand(_compatibility, _canonical);
        MarkHangul();
    }

    internal static NormalizationData Instance => Loaded.Value;

    /// <summary>Whether a code point could make text differ from its normalized form; what has no flag begins a new segment.</summary>
    internal byte Flags(int point) => point < 0x10000 ? _flags[point] : _flagsBeyond.GetValueOrDefault(point);

    /// <summary>Canonical combining class.</summary>
    internal byte Class(int point) => _classes.GetValueOrDefault(point);

    /// <summary>The full decomposition; empty if there is none.</summary>
    internal ReadOnlySpan<int> Decomposition(int point, bool compatibility) =>
        compatibility && _compatibility.TryGetValue(point, out int[]? parts) || _canonical.TryGetValue(point, out parts) ? parts : default;

    /// <summary>The composition of two code points; -1 if there is none.</summary>
    internal int Composition(int first, int second) => _compositions.GetValueOrDefault(Key(first, second), -1);

    private static long Key(int first, int second) => (long)first << 32 | (uint)second;

    private static int Hex(ReadOnlySpan<char> text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private void Read(string line)
    {
        int at = line.AsSpan().IndexOfAny("=:!~");
        string code = line[..at], value = line[(at + 1)..];
        if (line[at] == '=')
        {
            int dash = code.IndexOf('-', StringComparison.Ordinal), first = Hex(dash < 0 ? code : code.AsSpan(0, dash)), last = dash < 0 ? first : Hex(code.AsSpan(dash + 1));
            byte combining = byte.Parse(value, CultureInfo.InvariantCulture);
            for (int point = first; point <= last; point++)
            {
                _classes.Add(point, combining);
                Mark(point, NotSurelyNfc | NotSurelyNfkc);
            }
            return;
        }
        int whole = Hex(code);
        int[] parts = [.. value.Split(' ').Select(part => Hex(part))];
        (line[at] == '~' ? _compatibility : _canonical).Add(whole, parts);
        if (line[at] == '~') Mark(whole, NotSurelyNfkc);
        if (line[at] == '!') Mark(whole, NotSurelyNfc | NotSurelyNfkc);
        if (line[at] != ':') return;
        _compositions.Add(Key(parts[0], parts[1]), whole);
        Mark(parts[1], NotSurelyNfc | NotSurelyNfkc);
    }

    private void MarkHangul()
    {
        for (int vowel = Hangul.VowelBase; vowel < Hangul.VowelBase + Hangul.Vowels; vowel++) Mark(vowel, NotSurelyNfc | NotSurelyNfkc);
        for (int final = Hangul.FinalBase + 1; final < Hangul.FinalBase + Hangul.Finals; final++) Mark(final, NotSurelyNfc | NotSurelyNfkc);
    }

    private void Mark(int point, byte flags)
    {
        if (point < 0x10000) _flags[point] |= flags;
        else _flagsBeyond[point] = (byte)(_flagsBeyond.GetValueOrDefault(point) | flags);
    }

    /// <summary>Replaces the parts of decompositions by their own until none has any.</summary>
    private void Expand(Dictionary<int, int[]> table, Dictionary<int, int[]> canonical)
    {
        bool compatibility = table != canonical;
        foreach (int point in table.Keys.ToArray()) table[point] = [.. Full(point)];
        if (!compatibility) return;
        // A canonical decomposition may have parts with a compatibility decomposition.
        foreach ((int point, int[] parts) in canonical)
        {
            int[] full = [.. parts.SelectMany(Full)];
            if (full.AsSpan().SequenceEqual(parts)) continue;
            table[point] = full;
            Mark(point, NotSurelyNfkc);
        }

        IEnumerable<int> Full(int point) =>
            table.TryGetValue(point, out int[]? parts) || canonical.TryGetValue(point, out parts) ? parts.SelectMany(Full) : [point];
    }
}
