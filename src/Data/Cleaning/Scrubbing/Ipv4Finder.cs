namespace ElasticTrain.Data.Cleaning;

/// <summary>IPv4 addresses in dotted decimal form, told from version and section numbers by what stands before them.</summary>
internal static class Ipv4Finder
{
    private const int MostSectionNumber = 20;

    private static readonly string[] VersionWords = ["version", "versions", "ver", "v", "release", "releases", "rev", "revision", "build", "section", "chapter", "figure", "table", "clause", "assemblyversion", "fileversion"];

    internal static bool TryFind(ReadOnlySpan<char> text, int from, ScrubbingOptions options, out Scrubber.Match match)
    {
        match = default;
        for (int dot = from; dot < text.Length; dot++)
        {
            int found = text[dot..].IndexOf('.');
            if (found < 0) return false;
            dot += found;
            int start = dot;
            while (start > from && dot - start < 4 && char.IsAsciiDigit(text[start - 1])) start--;
            if (start == dot || dot - start > 3 || start > 0 && IsPart(text[start - 1])) continue;
            if (!TryRead(text, start, out int end, out uint address)) continue;
            if (options.PublicOnly && !IsPublic(address) || IsVersion(text, start, end, address)) continue;
            match = new Scrubber.Match(start, end - start, options.AddressPlaceholder);
            return true;
        }
        return false;
    }

    private static bool TryRead(ReadOnlySpan<char> text, int start, out int end, out uint address)
    {
        address = 0;
        end = start;
        for (int octet = 0; octet < 4; octet++)
        {
            if (octet > 0 && (end >= text.Length || text[end++] != '.')) return false;
            int value = 0, first = end;
            while (end < text.Length && end - first < 4 && char.IsAsciiDigit(text[end])) value = value * 10 + text[end++] - '0';
            if (end == first || value > 255 || end - first > 1 && text[first] == '0') return false;
            address = address << 8 | (uint)value;
        }
        if (end >= text.Length) return true;
        return !IsPart(text[end]) || text[end] == '.' && (end + 1 == text.Length || !char.IsLetterOrDigit(text[end + 1]));
    }

    private static bool IsPart(char character) => char.IsLetterOrDigit(character) || character is '.' or '_' or '-';

    private static bool IsVersion(ReadOnlySpan<char> text, int start, int end, uint address)
    {
        ReadOnlySpan<char> before = text[..start].TrimEnd(' ');
        if (before.IsEmpty || before[^1] == '\n')
            return end < text.Length && text[end] is ' ' or '.' && Octets(address) < MostSectionNumber;
        if (before.EndsWith(">=", StringComparison.Ordinal) || before.EndsWith("<=", StringComparison.Ordinal) || before[^1] is '^' or '~' or '§') return true;
        // A product's name before its version, as in Mozilla/5.0; an address in a URL has two slashes.
        if (before[^1] == '/' && before.Length > 1 && char.IsLetter(before[^2])) return true;
        before = before.TrimEnd(" =:\"'(");
        int word = before.Length;
        while (word > 0 && before.Length - word < 20 && char.IsAsciiLetter(before[word - 1])) word--;
        foreach (string version in VersionWords)
            if (before[word..].Equals(version, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    private static uint Octets(uint address) => Math.Max(Math.Max(address >> 24, address >> 16 & 255), Math.Max(address >> 8 & 255, address & 255));

    /// <summary>Whether it is a host's of the open network: none of the special-purpose registry's (RFC 6890 and updates), multicast left out.</summary>
    private static bool IsPublic(uint address)
    {
        bool In(uint network, int bits) => (address ^ network) >> (32 - bits) == 0;
        return !(In(0x00000000, 8) || In(0x0A000000, 8) || In(0x64400000, 10) || In(0x7F000000, 8) || In(0xA9FE0000, 16) || In(0xAC100000, 12)
            || In(0xC0000000, 24) || In(0xC0000200, 24) || In(0xC0586300, 24) || In(0xC0A80000, 16) || In(0xC6120000, 15) || In(0xC6336400, 24)
            || In(0xCB007100, 24) || In(0xE0000000, 3));
    }
}
