namespace ElasticTrain.Data.Cleaning;

/// <summary>IPv6 addresses (RFC 4291, section 2.2) without embedded IPv4 ones.</summary>
internal static class Ipv6Finder
{
    private const int Longest = 39;

    internal static bool TryFind(ReadOnlySpan<char> text, int from, ScrubbingOptions options, out Scrubber.Match match)
    {
        match = default;
        for (int at = from; at < text.Length;)
        {
            int found = text[at..].IndexOf(':');
            if (found < 0) return false;
            int start = at + found, end = start;
            while (start > at && IsPart(text[start - 1])) start--;
            while (end < text.Length && IsPart(text[end])) end++;
            at = end;
            int last = end;
            // A colon after an address ends a clause.
            if (text[last - 1] == ':' && !(last - start >= 2 && text[last - 2] == ':')) last--;
            bool isApart = (start == 0 || !IsWord(text[start - 1])) && (end == text.Length || !IsWord(text[end]));
            if (!isApart || last - start > Longest || !TryRead(text[start..last], out uint head, out int groups)) continue;
            if (options.PublicOnly ? !IsPublic(head) : groups < 3) continue;
            match = new Scrubber.Match(start, last - start, options.Address6Placeholder);
            return true;
        }
        return false;
    }

    private static bool IsPart(char character) => character == ':' || char.IsAsciiHexDigit(character);

    private static bool IsWord(char character) => char.IsLetterOrDigit(character) || character is '_' or '.';

    /// <summary>The first 32 bits and the number of groups that are written out.</summary>
    private static bool TryRead(ReadOnlySpan<char> text, out uint head, out int groups)
    {
        head = 0;
        groups = 0;
        int gaps = 0;
        for (int at = 0; at < text.Length;)
        {
            if (text[at] == ':')
            {
                if (at + 1 < text.Length && text[at + 1] == ':')
                {
                    gaps++;
                    at += 2;
                    if (at < text.Length && text[at] == ':') return false;
                    continue;
                }
                if (at == 0 || at + 1 == text.Length) return false;
                at++;
            }
            uint value = 0;
            int first = at;
            for (; at < text.Length && text[at] != ':'; at++) value = value << 4 | (uint)(char.IsAsciiDigit(text[at]) ? text[at] - '0' : (text[at] | 0x20) - 'a' + 10);
            if (at - first is 0 or > 4) return false;
            if (groups < 2 && gaps == 0) head |= value << (groups == 0 ? 16 : 0);
            groups++;
        }
        return gaps == 0 ? groups == 8 : gaps == 1 && groups < 8;
    }

    /// <summary>Global unicast, the ranges for documentation left out (RFC 3849, RFC 9637).</summary>
    private static bool IsPublic(uint head) => head >> 29 == 1 && head != 0x20010DB8 && head >> 12 != 0x3FFF0;
}
