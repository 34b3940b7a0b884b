using ElasticTrain.Core;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model;

/// <summary>
/// One sequence that grows token by token. What a token leaves behind is its latent and one rotated key per layer; the results are those of a forward pass over
/// the whole sequence up to rounding. One thread at a time.
/// </summary>
public sealed class DecodingSession : IDisposable
{
    /// <summary>A longer prompt goes through in pieces: the scores of a piece against everything before it exist at once.</summary>
    private const int Piece = 64;

    private readonly ParameterLayout _layout;
    private readonly NativeBuffer _parameters;
    private readonly DeepSeekNetwork _network;
    private readonly RotaryTable _rotary;
    private readonly LatentCache[] _caches;

    /// <summary>Makes an empty sequence.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="parameters">Its parameters, as long as the layout says; must outlive the session.</param>
    /// <param name="capacity">Most tokens of the sequence.</param>
    /// <exception cref="BadInputException">More tokens than the model allows, or none.</exception>
    public DecodingSession(ParameterLayout layout, NativeBuffer parameters, int capacity)
    {
        if (parameters.Length != layout.TotalLength) throw new ArgumentException($"The layout has {layout.TotalLength} values, the buffer {parameters.Length}.", nameof(parameters));
        if (capacity < 1 || capacity > layout.Config.MaxPositionEmbeddings)
            throw new BadInputException("sequence", $"{capacity} tokens", $"1 to max_position_embeddings = {layout.Config.MaxPositionEmbeddings}");
        TorchRuntime.BindThread();
        (_layout, _parameters, Capacity) = (layout, parameters, capacity);
        _network = new DeepSeekNetwork(layout);
        _rotary = new RotaryTable(layout.Config, capacity);
        _caches = _network.NewCaches(capacity);
    }

    /// <summary>Most tokens of the sequence.</summary>
    public int Capacity { get; }

    /// <summary>Tokens so far.</summary>
    public int Length { get; private set; }

    /// <summary>Appends tokens.</summary>
    /// <param name="tokens">At least one token id.</param>
    /// <returns>The logits after the last one, [vocabulary].</returns>
    /// <exception cref="BadInputException">No token, one outside the vocabulary, or more than fit; the sequence is as before.</exception>
    public float[] Append(ReadOnlySpan<int> tokens)
    {
        if (tokens.IsEmpty) throw new BadInputException("tokens", "none", "at least one");
        if (tokens.Length > Capacity - Length) throw new BadInputException("sequence", $"{Length} + {tokens.Length} tokens", $"at most {Capacity}");
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)_layout.Config.VocabSize) throw new BadInputException("tokens", $"token id {token}", $"0 to {_layout.Config.VocabSize - 1}");
        }
        TorchRuntime.BindThread();
        using IDisposable noGraph = no_grad();
        float[] logits = [];
        while (!tokens.IsEmpty)
        {
            using DisposeScope scope = NewDisposeScope();
            ReadOnlySpan<int> piece = tokens[..Math.Min(Piece, tokens.Length)];
            var pass = new Pass(new FlatMemory(_parameters), default, 1, piece.Length, _rotary);
            Tensor last = _network.Decode(pass, _caches, Length, piece);
            Length += piece.Length;
            tokens = tokens[piece.Length..];
            if (tokens.IsEmpty) logits = last.Values().ToArray();
        }
        GC.KeepAlive(_parameters);
        return logits;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rotary.Dispose();
        foreach (LatentCache cache in _caches) cache.Dispose();
    }
}
