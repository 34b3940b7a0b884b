using System.Text;

namespace ElasticTrain.Data.Tests;

/// <summary>Repeatable text with everything that pre-tokenizers look at.</summary>
internal static class RandomText
{
    private static readonly string[] Basic =
    [
        "a", "b", "the", "The", "is", "I", "'s", "'S", "'ll", "'LL", "'re", "'vE", "'t", "'m", "'d", "'", "x'y", " ", " ", " ", "  ", "\t", "\n", "\n\n", "\r\n", "\r",
        "0", "12", "12345", "٣", "Ⅷ", "½", "中", "模型", "〇", "かな", "カタ", "ー", "・", "゠", "゛", "한국", "é", "e\u0301", "\u0301", "،", "ام", ".", "...", "!", "#include",
        "{", "}", "();", "_", "$", "€", "«", "…", "~", "^", "+=", "\u00A0", "\u3000", "\u0085", "\u2028", "\u200B", "\u200D", "\0", "\u0007", "\u00AD", "\uFFFD", "\uE000", "\u0378",
    ];

    private static readonly string[] Beyond = ["🙂", "👩‍💻", "𝐀", "𝟏𝟐", "𠀀", "🇩🇪", "\U0010FFFF", "\U000E0061"];

    /// <summary>Pieces put together; without <paramref name="beyond"/> no character is beyond U+FFFF.</summary>
    internal static string Of(int seed, int pieces, bool beyond = true)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (int i = 0; i < pieces; i++)
        {
            int choice = random.Next(Basic.Length + (beyond ? Beyond.Length : 0) + 2);
            if (choice < Basic.Length) text.Append(Basic[choice]);
            else if (choice < Basic.Length + 2) text.Append(Character(random));
            else text.Append(Beyond[choice - Basic.Length - 2]);
        }
        return text.ToString();
    }

    /// <summary>Words of few letters: many repeated and overlapping pairs.</summary>
    internal static string Words(int seed, int words, int letters, int longest = 8)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (int i = 0; i < words; i++)
        {
            for (int left = random.Next(1, longest + 1); left > 0; left--) text.Append((char)('a' + random.Next(letters)));
            text.Append(' ');
        }
        return text.ToString();
    }

    internal static ReadOnlyMemory<byte>[] Documents(IEnumerable<string> texts) => [.. texts.Select(text => new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text)))];

    // The long s: .NET's expressions, unlike Oniguruma, do not take it for an s of another case.
    private static char Character(Random random)
    {
        while (true)
        {
            char character = (char)random.Next(0x10000);
            if (!char.IsSurrogate(character) && character != 'ſ') return character;
        }
    }
}
