using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>E-mail addresses: dotted atoms of RFC 5322, and a host name that ends with letters.</summary>
internal static class EmailFinder
{
    /// <summary>RFC 5321, section 4.5.3.1.</summary>
    private const int LongestLocal = 64, LongestDomain = 255;

    private static readonly SearchValues<char> Atom =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+/=?^_`{|}~-");

    private static readonly SearchValues<char> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private static readonly string[] ReservedHosts = ["example.com", "example.org", "example.net", ".example", ".invalid", ".test", ".localhost"];

    internal static bool TryFind(ReadOnlySpan<char> text, int from, ScrubbingOptions options, out Scrubber.Match match)
    {
        match = default;
        for (int at = from; at < text.Length; at++)
        {
            int found = text[at..].IndexOf('@');
            if (found < 0) return false;
            at += found;
            int start = LocalStart(text, from, at), end = DomainEnd(text, at + 1);
            if (start < 0 || end < 0 || IsNobodys(text[start..at], text[(at + 1)..end], options)) continue;
            match = new Scrubber.Match(start, end - start, options.EmailPlaceholder);
            return true;
        }
        return false;
    }

    private static int LocalStart(ReadOnlySpan<char> text, int from, int at)
    {
        int start = at;
        while (start > from && at - start <= LongestLocal)
        {
            char before = text[start - 1];
            bool isDot = before == '.' && start < at && text[start] != '.';
            if (!isDot && !Atom.Contains(before)) break;
            start--;
        }
        if (at - start > LongestLocal || start < at && text[at - 1] == '.') return -1;
        // Quotes and brackets before an address are atoms too.
        while (start < at && !char.IsAsciiLetterOrDigit(text[start]) && text[start] != '_') start++;
        return start == at || start > 0 && (char.IsLetterOrDigit(text[start - 1]) || text[start - 1] == '@') ? -1 : start;
    }

    /// <summary>Where the host name ends; -1 if there is none of two labels.</summary>
    private static int DomainEnd(ReadOnlySpan<char> text, int start)
    {
        int end = -1, labels = 0;
        for (int at = start; at < text.Length && at - start <= LongestDomain;)
        {
            int label = at;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '-') && at - start <= LongestDomain) at++;
            if (at == label || text[label] == '-') break;
            int last = at;
            while (text[last - 1] == '-') last--;
            labels++;
            if (labels >= 2 && last - label >= 2 && !text[label..last].ContainsAnyExcept(Letters)) end = last;
            if (last < at || at >= text.Length || text[at] != '.') break;
            at++;
        }
        return end >= 0 && end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '@') ? -1 : end;
    }

    private static bool IsNobodys(ReadOnlySpan<char> local, ReadOnlySpan<char> host, ScrubbingOptions options)
    {
        if (!options.PublicOnly) return false;
        // The account of repositories in addresses such as git@github.com:owner/name.
        if (local is "git") return true;
        foreach (string reserved in ReservedHosts)
        {
            if (!host.EndsWith(reserved, StringComparison.OrdinalIgnoreCase)) continue;
            if (reserved[0] == '.' || host.Length == reserved.Length || host[host.Length - reserved.Length - 1] == '.') return true;
        }
        return false;
    }
}
