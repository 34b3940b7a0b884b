using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
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

    /// <summary>Memory follows the sequence, not what it may become: room for this many tokens at first, then doubled.</summary>
    private const int FirstRoom = 256;

    private readonly ModelWeights _weights;
    private readonly ThreadTeam _team;
    private readonly DecodingProducts _products;
    private readonly DeepSeekNetwork _network;
    private readonly LatentCache[] _caches;
    private RotaryTable _rotary;

    /// <summary>Makes an empty sequence.</summary>
    /// <param name="weights">The model; must outlive the session.</param>
    /// <param name="capacity">Most tokens of the sequence.</param>
    /// <param name="threads">Threads that share each product; the results are the same bits for any number.</param>
    /// <exception cref="BadInputException">More tokens than the model allows, or none.</exception>
    public DecodingSession(ModelWeights weights, int capacity, int threads = 1)
    {
        ModelConfig config = weights.Layout.Config;
        if (capacity < 1 || capacity > config.MaxPositionEmbeddings)
            throw new BadInputException("sequence", $"{capacity} tokens", $"1 to max_position_embeddings = {config.MaxPositionEmbeddings}");
        TorchRuntime.BindThread();
        (_weights, Capacity) = (weights, capacity);
        _team = new ThreadTeam(threads);
        _products = new DecodingProducts(weights, _team);
        _network = new DeepSeekNetwork(weights.Layout, ComputeKind.Fp32);
        _rotary = new RotaryTable(config, 0);
        _caches = _network.NewCaches();
    }

    /// <summary>Makes an empty sequence on one thread.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="parameters">Its parameters, as long as the layout says; must outlive the session.</param>
    /// <param name="capacity">Most tokens of the sequence.</param>
    /// <exception cref="BadInputException">More tokens than the model allows, or none.</exception>
    public DecodingSession(ParameterLayout layout, NativeBuffer parameters, int capacity) : this(new ModelWeights(layout, parameters), capacity)
    {
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
        _weights.Layout.Config.RequireTokens("tokens", tokens);
        TorchRuntime.BindThread();
        MakeRoom(Length + tokens.Length);
        using IDisposable noGraph = no_grad();
        float[] logits = [];
        while (!tokens.IsEmpty)
        {
            using DisposeScope scope = NewDisposeScope();
            ReadOnlySpan<int> piece = tokens[..Math.Min(Piece, tokens.Length)];
            Workspace.Begin(1, piece.Length);
            var pass = new Pass(_weights.Single, default, 1, piece.Length, _rotary) { Decoding = _products };
            Tensor last = _network.Decode(pass, _caches, Length, piece);
            Length += piece.Length;
            tokens = tokens[piece.Length..];
            if (tokens.IsEmpty) logits = last.Values().ToArray();
        }
        GC.KeepAlive(_weights);
        return logits;
    }

    /// <summary>Appends a prompt, and then token after token until the sequence is full; each comes as soon as it is chosen, and is appended when the next one is asked for.</summary>
    /// <param name="prompt">At least one token id.</param>
    /// <param name="sampler">Chooses the tokens.</param>
    /// <exception cref="BadInputException">As for <see cref="Append"/>.</exception>
    public IEnumerable<int> Generate(int[] prompt, TokenSampler sampler)
    {
        List<int> tokens = [.. prompt];
        for (int[] next = prompt; Length + next.Length < Capacity; next = [tokens[^1]])
        {
            tokens.Add(sampler.Next(Append(next), tokens));
            yield return tokens[^1];
        }
    }

    private void MakeRoom(int tokens)
    {
        if (tokens <= _rotary.Positions) return;
        int room = (int)Math.Min(Capacity, Math.Max(tokens, Math.Max(FirstRoom, 2L * _rotary.Positions)));
        foreach (LatentCache cache in _caches) cache.Grow(room);
        _rotary.Dispose();
        _rotary = new RotaryTable(_weights.Layout.Config, room);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _rotary.Dispose();
        foreach (LatentCache cache in _caches) cache.Dispose();
    }
}
