using ElasticTrain.Core;
using Lingua;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Languages by Lingua's trigram models. A text is judged by windows from its beginning to its end: each window gives its language's share, and the
/// language with most of them wins. So a confidence says something for long texts too, where one judgement over everything would always be sure.
/// </summary>
public sealed class LinguaIdentifier : ILanguageIdentifier
{
    /// <summary>Longer windows make probabilities vanish below the smallest double.</summary>
    private const int WindowLength = 96, MostWindows = 6;

    /// <summary>The last bits of logarithms differ between machines.</summary>
    private const int ConfidenceDigits = 4;

    private static readonly string Models = Path.Combine(AppContext.BaseDirectory, "languages");

    private readonly LanguageDetector _detector;

    /// <summary>Tells the given languages apart: the fewer, the faster.</summary>
    /// <param name="codes">ISO 639-1 codes, two at least; all of <see cref="Codes"/> by default.</param>
    /// <exception cref="BadInputException">One is not among <see cref="Codes"/>, or there are fewer than two.</exception>
    public LinguaIdentifier(IReadOnlyCollection<string>? codes = null)
    {
        string[] chosen = [.. (codes ?? Codes).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        foreach (string code in chosen)
            if (!Codes.Contains(code, StringComparer.Ordinal)) throw new BadInputException("a language", $"\"{code}\"", "one of " + string.Join(", ", Codes));
        if (chosen.Length < 2) throw new BadInputException("languages to tell apart", string.Join(", ", chosen), "two at least");
        Language[] languages = [.. chosen.Select(code => Enum.GetValues<Language>().First(language => CodeOf(language) == code))];
        _detector = LanguageDetectorBuilder.FromLanguages(languages).WithLanguageModelsDirectory(Models).WithLowAccuracyMode().Build();
    }

    /// <summary>The languages that there are models for, beside the program.</summary>
    public static IReadOnlyList<string> Codes { get; } =
        Directory.Exists(Models) ? [.. Directory.GetDirectories(Models).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)] : [];

    /// <inheritdoc/>
    public LanguageGuess Identify(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var shares = new SortedDictionary<string, double>(StringComparer.Ordinal);
        int windows = 0;
        foreach (string window in Windows(text))
        {
            IReadOnlyDictionary<Language, double> values = _detector.ComputeLanguageConfidenceValues(window);
            if (!values.Values.Any(value => value > 0)) continue;
            windows++;
            foreach ((Language language, double value) in values)
            {
                string code = CodeOf(language);
                shares[code] = shares.GetValueOrDefault(code) + Math.Round(value, ConfidenceDigits, MidpointRounding.ToEven);
            }
        }
        if (windows == 0) return new LanguageGuess(LanguageGuess.Unknown, 0);
        // Of equal shares the first code's counts.
        KeyValuePair<string, double> best = shares.MaxBy(share => share.Value);
        return new LanguageGuess(best.Key, Math.Round(best.Value / windows, ConfidenceDigits, MidpointRounding.ToEven));
    }

    private static string CodeOf(Language language) => language.IsoCode6391().ToString().ToLowerInvariant();

    /// <summary>Pieces from all over the text, begun between words where there are any.</summary>
    private static IEnumerable<string> Windows(string text)
    {
        const int LongestWord = 24;
        int count = Math.Clamp(text.Length / WindowLength, 1, MostWindows);
        for (int i = 0; i < count; i++)
        {
            int start = count == 1 ? 0 : (int)((long)(text.Length - WindowLength) * i / (count - 1));
            int end = Math.Min(text.Length, start + WindowLength);
            if (start > 0 && text.AsSpan(start, Math.Min(LongestWord, end - start)).IndexOf(' ') is > 0 and var space) start += space;
            if (start < end && char.IsLowSurrogate(text[start])) start++;
            if (start < end) yield return text[start..end];
        }
    }
}
