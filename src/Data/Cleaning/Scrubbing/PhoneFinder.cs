using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Telephone numbers: international ones with a plus (E.164), North American ones as they are usually written, and any after a word that says so.
/// </summary>
internal static class PhoneFinder
{
    private const int FewestInternational = 8, FewestUnbroken = 11, FewestNamed = 7, Most = 15;

    private static readonly SearchValues<char> Starts = SearchValues.Create("+(0123456789");

    private static readonly string[] Words = ["tel", "telephone", "phone", "mobile", "cell", "fax", "telefon", "mobil", "tél", "téléphone", "teléfono", "telefono", "电话", "電話"];

    internal static bool TryFind(ReadOnlySpan<char> text, int from, ScrubbingOptions options, out Scrubber.Match match)
    {
        match = default;
        for (int at = from; at < text.Length;)
        {
            int found = text[at..].IndexOfAny(Starts);
            if (found < 0) return false;
            at += found;
            Number number = Read(text, at);
            if (number.IsPhone && !(options.PublicOnly && number.IsFiction))
            {
                match = new Scrubber.Match(at, number.Length, options.PhonePlaceholder);
                return true;
            }
            at += Math.Max(1, number.Length);
        }
        return false;
    }

    private static Number Read(ReadOnlySpan<char> text, int start)
    {
        Span<char> digits = stackalloc char[Most + 1];
        Span<char> shape = stackalloc char[2 * Most + 4];
        int count = 0, marks = 0, at = start, end = start, open = 0;
        for (; at < text.Length && marks < shape.Length; at++)
        {
            char character = text[at];
            if (char.IsAsciiDigit(character))
            {
                if (count <= Most) digits[Math.Min(count, Most)] = character;
                count++;
                shape[marks++] = 'd';
                end = at + 1;
                if (count > Most) break;
                continue;
            }
            bool opens = character == '(' && open == 0, closes = character == ')' && open == 1;
            bool isBreak = character is ' ' or '-' or '.' or '/' && at > start && (char.IsAsciiDigit(text[at - 1]) || text[at - 1] == ')');
            if (!(character == '+' && at == start) && !opens && !closes && !isBreak) break;
            open += opens ? 1 : closes ? -1 : 0;
            shape[marks++] = character;
        }
        // An unbroken run of digits is one number, whatever its length.
        while (count > Most && end < text.Length && char.IsAsciiDigit(text[end])) end++;
        ReadOnlySpan<char> form = shape[..marks].TrimEnd(" -./(");
        bool isApart = (start == 0 || !IsPart(text[start - 1])) && (end == text.Length || !Continues(text, end));
        int used = Math.Min(count, Most);
        bool isPhone = isApart && open == 0 && count <= Most && IsPhone(text, start, form, digits[..used]);
        bool isFiction = used >= FewestNamed && digits[(used - 7)..(used - 2)] is "55501";
        return new Number(end - start, isPhone, isFiction);
    }

    private static bool IsPhone(ReadOnlySpan<char> text, int start, ReadOnlySpan<char> form, ReadOnlySpan<char> digits)
    {
        if (form.IsEmpty) return false;
        if (form[0] == '+')
        {
            bool isCountry = digits.Length >= FewestInternational && digits[0] != '0' && form.Length > 1 && form[1] is 'd' or '(';
            return isCountry && (form.Length - digits.Length > 1 || digits.Length >= FewestUnbroken);
        }
        return IsNorthAmerican(form, digits) || digits.Length >= FewestNamed && IsNamed(text[..start]);
    }

    private static bool IsNorthAmerican(ReadOnlySpan<char> form, ReadOnlySpan<char> digits)
    {
        bool hasTrunk = digits.Length == 11 && digits[0] == '1' && form.Length > 2 && form[1] is '-' or ' ' or '.';
        if (hasTrunk)
        {
            form = form[2..];
            digits = digits[1..];
        }
        if (digits.Length != 10 || digits[0] < '2' || digits[3] < '2') return false;
        return form is "ddd-ddd-dddd" or "ddd.ddd.dddd" or "(ddd) ddd-dddd" or "(ddd)ddd-dddd" or "(ddd) ddd dddd" or "(ddd) ddd.dddd";
    }

    private static bool IsNamed(ReadOnlySpan<char> before)
    {
        before = before.TrimEnd(" .:#");
        foreach (string word in Words)
        {
            if (!before.EndsWith(word, StringComparison.OrdinalIgnoreCase)) continue;
            if (before.Length == word.Length || !char.IsLetterOrDigit(before[before.Length - word.Length - 1])) return true;
        }
        return false;
    }

    private static bool IsPart(char character) => char.IsLetterOrDigit(character) || character is '_' or '-' or '.' or '+' or '/' or '=' or '$' or '#';

    private static bool Continues(ReadOnlySpan<char> text, int end) =>
        char.IsLetterOrDigit(text[end]) || text[end] is '_' or '=' || text[end] is '-' or '.' or '/' && end + 1 < text.Length && char.IsLetterOrDigit(text[end + 1]);

    private readonly record struct Number(int Length, bool IsPhone, bool IsFiction);
}
