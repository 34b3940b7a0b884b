using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>A token that stands for no text of its own: it ends documents, marks places, separates speakers.</summary>
/// <param name="Text">How it is written.</param>
/// <param name="Id">Its id.</param>
public readonly record struct SpecialToken(string Text, int Id);

/// <summary>Special tokens by habit, and what a special token may look like.</summary>
public static class SpecialTokens
{
    /// <summary>What ends a document.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>DeepSeek's marks for filling in the middle: begin (before the prefix), hole, end (after the suffix).</summary>
    public static IReadOnlyList<string> DeepSeekFim { get; } = ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"];

    /// <summary>StarCoder's marks for filling in the middle: prefix, middle, suffix, padding.</summary>
    public static IReadOnlyList<string> StarCoderFim { get; } = ["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"];

    /// <summary>Throws unless the texts can be special tokens of one vocabulary.</summary>
    /// <exception cref="BadInputException">One is too short, no Unicode, or given twice.</exception>
    internal static void Check(string where, IReadOnlyList<string> texts)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string text in texts)
        {
            if (text.Length < 2) throw new BadInputException(where, $"\"{text}\"", "at least two characters: single ones are ordinary tokens");
            if (!Utf16.IsValid(text)) throw new BadInputException(where, "half of a surrogate pair", "valid Unicode");
            if (!seen.Add(text)) throw new BadInputException(where, $"\"{text}\" twice", "each special token once");
        }
    }
}
