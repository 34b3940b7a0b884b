using System.Buffers;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Phrases that C4 looks for, in any case.</summary>
internal static class Phrases
{
    internal const string LoremIpsum = "lorem ipsum", Javascript = "javascript";

    internal static readonly SearchValues<string> Policies = SearchValues.Create(
        ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"], StringComparison.OrdinalIgnoreCase);

    private static readonly SearchValues<string> Any = SearchValues.Create(
        [LoremIpsum, Javascript, "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"], StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether any of them occurs: in most texts none does.</summary>
    internal static bool AnyIn(ReadOnlySpan<char> text) => text.ContainsAny(Any);

    internal static int Count(ReadOnlySpan<char> text, string phrase)
    {
        int count = 0;
        for (int at; (at = text.IndexOf(phrase, StringComparison.OrdinalIgnoreCase)) >= 0; text = text[(at + phrase.Length)..]) count++;
        return count;
    }
}
