using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>The rules by which text is cut before tokens are made: no token reaches over a cut.</summary>
public enum PreTokenization
{
    /// <summary>GPT-2's: words and numbers of any length, each with the blank before it.</summary>
    Gpt2,

    /// <summary>GPT-4's (cl100k): at most three digits together, line ends apart from blanks.</summary>
    Cl100k,

    /// <summary>DeepSeek-V3's: at most three digits together, runs of Chinese and Japanese apart, then punctuation, words and white space.</summary>
    DeepSeekV3,
}

/// <summary>The names of <see cref="PreTokenization"/> and its expressions in tokenizer.json.</summary>
public static class PreTokenizations
{
    /// <summary>The names, as a user writes them.</summary>
    public static IReadOnlyList<string> Names { get; } = ["gpt2", "cl100k", "deepseek-v3"];

    /// <summary>The name.</summary>
    public static string Name(this PreTokenization rules) => Names[(int)rules];

    /// <summary>The rules of a name.</summary>
    /// <exception cref="BadInputException">There are none of that name.</exception>
    public static PreTokenization Parse(string where, string name)
    {
        for (int i = 0; i < Names.Count; i++)
            if (Names[i] == name) return (PreTokenization)i;
        throw new BadInputException(where, $"\"{name}\"", string.Join(", ", Names));
    }

    /// <summary>
    /// The regular expressions that say the same: each cuts the pieces that the one before it left, what it matches becomes a piece, and so does
    /// what lies between two matches.
    /// </summary>
    internal static IReadOnlyList<string> Expressions(this PreTokenization rules) => rules switch
    {
        PreTokenization.Gpt2 => [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
        PreTokenization.Cl100k =>
            [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
        _ =>
        [
            @"\p{N}{1,3}",
            "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        ],
    };
}
