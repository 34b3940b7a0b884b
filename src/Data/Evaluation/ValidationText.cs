using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// The text that models are compared on: the first tokens of a byte-level set. Every token but the first is predicted exactly once,
/// whatever the shape of the batches. Tokens that the set masks out are context only.
/// </summary>
public sealed class ValidationText
{
    private const int Chunk = 1 << 16;

    private readonly TokenShardSet _tokens;

    /// <summary>Chooses the text.</summary>
    /// <param name="tokens">Tokens of <see cref="ByteTokenizer"/>; must outlive this object.</param>
    /// <param name="maxTokens">Only the first tokens; at least 2 must be there.</param>
    /// <exception cref="BadInputException">There is nothing to predict.</exception>
    public ValidationText(TokenShardSet tokens, long maxTokens = long.MaxValue)
    {
        _tokens = tokens;
        TokenCount = Math.Min(tokens.TokenCount, maxTokens);
        if (TokenCount < 2) throw new BadInputException(tokens.Directory, $"{TokenCount} tokens", "at least 2, to predict one from another");
        foreach (var (token, counts) in Targets())
        {
            if (!counts) continue;
            TargetTokens++;
            if (token < ByteTokenizer.ByteCount) TargetBytes++;
        }
        if (TargetBytes == 0) throw new BadInputException(tokens.Directory, "no byte whose prediction counts", "at least one");
    }

    /// <summary>Tokens of the text, the first included.</summary>
    public long TokenCount { get; }

    /// <summary>Predictions that count in the loss.</summary>
    public long TargetTokens { get; }

    /// <summary>Those of them that are bytes: the denominator of bits per byte.</summary>
    public long TargetBytes { get; }

    /// <summary>Bits per byte of a model.</summary>
    /// <param name="lossNats">Its loss summed over all <see cref="TargetTokens"/>, in nats.</param>
    public double BitsPerByte(double lossNats) => Data.BitsPerByte.FromLoss(lossNats, TargetBytes);

    /// <summary>
    /// The text in windows of T + 1 tokens at stride T, one per row, in order. The last row is filled up with end-of-document tokens whose
    /// predictions the mask takes out; the last batch may have fewer rows. Sum the loss over the mask, not over rows x T.
    /// </summary>
    /// <param name="sequenceLength">T.</param>
    /// <param name="rows">Rows per batch.</param>
    public IEnumerable<MicroBatch> Batches(int sequenceLength, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequenceLength, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        return Enumerate();

        IEnumerable<MicroBatch> Enumerate()
        {
            long windows = (TokenCount - 1 + sequenceLength - 1) / sequenceLength;
            for (long first = 0; first < windows; first += rows) yield return Batch(first, (int)Math.Min(rows, windows - first), sequenceLength);
        }
    }

    private MicroBatch Batch(long firstWindow, int rows, int length)
    {
        int[] tokens = new int[rows * (length + 1)];
        byte[] mask = new byte[rows * length];
        bool padded = false;
        for (int row = 0; row < rows; row++)
        {
            long start = (firstWindow + row) * length;
            int count = (int)Math.Min(length, TokenCount - 1 - start);
            var window = tokens.AsSpan(row * (length + 1), length + 1);
            _tokens.Read(start, window[..(count + 1)]);
            window[(count + 1)..].Fill(ByteTokenizer.EndOfDocument);
            _tokens.ReadMask(start + 1, mask.AsSpan(row * length, count));
            padded |= count < length;
        }
        return new MicroBatch(rows, length, tokens, padded || _tokens.HasMask ? mask : null);
    }

    /// <summary>Every predicted token in order, and whether its prediction counts.</summary>
    internal IEnumerable<(int Token, bool Counts)> Targets()
    {
        int[] tokens = new int[Chunk];
        byte[] mask = new byte[Chunk];
        for (long at = 1; at < TokenCount; at += Chunk)
        {
            int count = (int)Math.Min(Chunk, TokenCount - at);
            _tokens.Read(at, tokens.AsSpan(0, count));
            _tokens.ReadMask(at, mask.AsSpan(0, count));
            for (int i = 0; i < count; i++) yield return (tokens[i], mask[i] != 0);
        }
    }

    /// <summary>The token that starts the text and is not predicted.</summary>
    internal int FirstToken()
    {
        Span<int> token = stackalloc int[1];
        _tokens.Read(0, token);
        return token[0];
    }
}
