using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>What a corpus is made from.</summary>
/// <param name="Input">A file or folder of text; null: the .NET reference documentation of the SDK that is running.</param>
/// <param name="ValidationShare">Share of the documents (not exactly of the bytes) that is held out, between 0 and 1, both excluded.</param>
/// <param name="Seed">Chooses which documents are held out.</param>
/// <param name="MaxBytes">No more bytes of text than this, both sides together: documents in shuffled order, those left out that no longer fit; null: everything.</param>
public sealed record CorpusOptions(string? Input = null, double ValidationShare = 0.02, ulong Seed = 0, long? MaxBytes = null)
{
    internal void Validate()
    {
        if (!(ValidationShare > 0 && ValidationShare < 1))
            throw new BadInputException("data: validation share", FormattableString.Invariant($"{ValidationShare}"), "a number between 0 and 1");
        if (MaxBytes < 1) throw new BadInputException("data: max bytes", $"{MaxBytes}", "at least 1");
    }
}

/// <summary>A corpus that is ready for training: tokens of both sides, opened.</summary>
/// <param name="Train">Tokens to train on.</param>
/// <param name="Validation">Held-out tokens.</param>
/// <param name="Description">One line for the user: source, documents, bytes.</param>
/// <param name="ContentHash">Of the tokens and masks of both sides.</param>
/// <param name="TokenizerHash">Of the tokenizer that made them.</param>
public sealed record PreparedCorpus(TokenShardSet Train, TokenShardSet Validation, string Description, Digest256 ContentHash, Digest256 TokenizerHash)
    : IDisposable
{
    /// <summary>The held-out text cut into micro-batches: see <see cref="ValidationText"/>.</summary>
    /// <param name="sequenceLength">Predicted positions per row.</param>
    /// <param name="rows">Rows per micro-batch; the last may have fewer.</param>
    /// <param name="maxTokens">Only the first tokens of the validation side.</param>
    public IEnumerable<MicroBatch> ValidationBatches(int sequenceLength, int rows, long maxTokens = long.MaxValue) =>
        new ValidationText(Validation, maxTokens).Batches(sequenceLength, rows);

    /// <summary>Closes both sides.</summary>
    public void Dispose()
    {
        Train.Dispose();
        Validation.Dispose();
    }
}
