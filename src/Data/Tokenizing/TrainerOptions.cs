using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>How a vocabulary is learned. Only the first five determine it.</summary>
public sealed record TrainerOptions
{
    private const long LeastMemory = 1 << 20;

    /// <summary>Number of ids, the 256 bytes and the special tokens included. Fewer come out if the text has no more to merge.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Where text is cut.</summary>
    public PreTokenization PreTokenization { get; init; } = PreTokenization.DeepSeekV3;

    /// <summary>Special tokens, whose ids follow those of all others in this order.</summary>
    public IReadOnlyList<string> Specials { get; init; } = [SpecialTokens.EndOfText];

    /// <summary>A pair that comes less often is not merged.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>A pre-token that comes less often is left out: what is left must fit in memory while merges are learned.</summary>
    public long MinPreTokenCount { get; init; } = 1;

    /// <summary>Memory of the tables of distinct pre-tokens while they are counted. What is beyond goes to the temporary folder.</summary>
    public long Memory { get; init; } = 1L << 30;

    /// <summary>An existing folder; null: the system's.</summary>
    public string? TemporaryFolder { get; init; }

    /// <summary>Threads; 0: one for each processor.</summary>
    public int Threads { get; init; }

    /// <summary>Throws if an option cannot be used.</summary>
    /// <exception cref="BadInputException">It says which.</exception>
    public void Validate()
    {
        SpecialTokens.Check("special tokens", Specials);
        int least = ByteTokenizer.ByteCount + Specials.Count;
        if (VocabSize < least || VocabSize > TokenizerModel.MostIds)
            throw new BadInputException("vocabulary size", $"{VocabSize}", $"{least} (256 bytes and {Specials.Count} special tokens) to {TokenizerModel.MostIds}");
        if (MinFrequency < 1) throw new BadInputException("least frequency", $"{MinFrequency}", "1 or more");
        if (MinPreTokenCount < 1) throw new BadInputException("least count of a pre-token", $"{MinPreTokenCount}", "1 or more");
        if (Memory < LeastMemory) throw new BadInputException("memory", $"{Memory} bytes", $"at least {LeastMemory}");
        if (Threads is < 0 or > 1024) throw new BadInputException("threads", $"{Threads}", "1 to 1024, or 0 for one per processor");
        if (TemporaryFolder is not null && !Directory.Exists(TemporaryFolder))
            throw new BadInputException($"temporary folder {TemporaryFolder}", "no such folder", "a folder that can be written");
    }
}
