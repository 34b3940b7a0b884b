using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>A text and how much was replaced in it.</summary>
/// <param name="Text">The same string if nothing was.</param>
/// <param name="Emails">E-mail addresses.</param>
/// <param name="Phones">Telephone numbers.</param>
/// <param name="Addresses">IP addresses.</param>
public readonly record struct ScrubbedText(string Text, int Emails, int Phones, int Addresses);

/// <summary>
/// Replaces personal data by fixed placeholders, as datatrove's PIIFormatter does; telephone numbers in addition. Scanners by hand: linear time on any
/// text. Rather leaves a number alone than takes a version, a date or an ISBN for one. Pure and thread-safe.
/// </summary>
public static class Scrubber
{
    /// <summary>Finds the match around or after an index; the match's length is 0 if there is none.</summary>
    private delegate bool Finder(ReadOnlySpan<char> text, int from, ScrubbingOptions options, out Match match);

    /// <summary>Scrubs a text.</summary>
    public static ScrubbedText Scrub(string text, ScrubbingOptions options)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        int emails = 0, phones = 0, addresses = 0;
        if (options.Emails && text.Contains('@')) text = Replace(text, options, EmailFinder.TryFind, out emails);
        if (options.Addresses)
        {
            text = Replace(text, options, Ipv4Finder.TryFind, out addresses);
            if (text.Contains(':'))
            {
                text = Replace(text, options, Ipv6Finder.TryFind, out int more);
                addresses += more;
            }
        }
        if (options.Phones) text = Replace(text, options, PhoneFinder.TryFind, out phones);
        return new ScrubbedText(text, emails, phones, addresses);
    }

    private static string Replace(string text, ScrubbingOptions options, Finder find, out int count)
    {
        count = 0;
        StringBuilder? result = null;
        int copied = 0;
        while (copied < text.Length && find(text, copied, options, out Match match))
        {
            result ??= new StringBuilder(text.Length);
            result.Append(text, copied, match.Start - copied).Append(match.Placeholder);
            copied = match.Start + match.Length;
            count++;
        }
        return result is null ? text : result.Append(text, copied, text.Length - copied).ToString();
    }

    /// <summary>What is to be replaced.</summary>
    /// <param name="Start">Its first unit, not before the index from which the search began.</param>
    /// <param name="Length">UTF-16 units.</param>
    /// <param name="Placeholder">What stands there afterwards.</param>
    internal readonly record struct Match(int Start, int Length, string Placeholder);
}
