using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Actors.Loading;

/// <summary>
/// The samples of every step: of the data that the run was made with, and of what was attached later. Attached data are opened when a step first needs them, read whole once
/// and compared with the hash that the journal names. Thread-safe.
/// </summary>
/// <param name="directory">The run's folder, which journaled paths are relative to.</param>
/// <param name="own">The data that the run was made with; not disposed here.</param>
/// <param name="geometry">How a step is cut.</param>
/// <param name="seed">The plan's.</param>
public sealed class RunSamples(string directory, PreparedCorpus own, BatchGeometry geometry, ulong seed) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<DataSource, PreparedCorpus> _opened = [];
    private readonly Dictionary<StepData, SampleIndex> _indices = [];

    /// <summary>The samples of the data that the run was made with.</summary>
    public SampleIndex Own { get; } = new(own.Train, geometry, seed);

    /// <summary>The samples of the steps for which <paramref name="data"/> hold: the same object for the same data.</summary>
    /// <param name="data">As the journal has it; null for the data that the run was made with.</param>
    /// <exception cref="BadInputException">The data are not there, or are other data than the journal names.</exception>
    /// <exception cref="CorruptionException">They are damaged.</exception>
    public SampleIndex At(StepData? data)
    {
        if (data is null) return Own;
        lock (_gate)
        {
            if (_indices.TryGetValue(data, out var known)) return known;
            return _indices[data] = new SampleIndex([.. data.Sources.Select(Tokens)], geometry, seed, data.From);
        }
    }

    /// <summary>Reads prepared data whole, as every node will, to see whether the run can take samples from them.</summary>
    /// <param name="path">Their folder, relative to the run's or absolute.</param>
    /// <returns>What a command names them by.</returns>
    /// <exception cref="BadInputException">They are not there, are too few for a row, or were made with another tokenizer.</exception>
    /// <exception cref="CorruptionException">They are damaged.</exception>
    public DataSource Inspect(string path)
    {
        using var corpus = Open(path);
        _ = new SampleIndex(corpus.Train, geometry, seed);
        return new DataSource(corpus.ContentHash, path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var corpus in _opened.Values) corpus.Dispose();
            _opened.Clear();
            _indices.Clear();
        }
    }

    private TokenShardSet Tokens(DataSource source)
    {
        if (source.Path is not { } path) return own.Train;
        if (_opened.TryGetValue(source, out var opened)) return opened.Train;
        var corpus = Open(path);
        if (corpus.ContentHash != source.Content)
        {
            corpus.Dispose();
            throw new BadInputException(Full(path), $"data with content hash {corpus.ContentHash}", $"{source.Content}, as the run's journal names it");
        }
        _opened.Add(source, corpus);
        return corpus.Train;
    }

    private PreparedCorpus Open(string path)
    {
        var corpus = Corpus.Open(Full(path));
        try
        {
            if (corpus.TokenizerHash != own.TokenizerHash)
                throw new BadInputException(Full(path), $"data of tokenizer {corpus.TokenizerHash.Short}", $"of the run's, {own.TokenizerHash.Short}");
            // What the index of the files says of them is checked, not believed.
            corpus.Train.Verify();
            return corpus;
        }
        catch
        {
            corpus.Dispose();
            throw;
        }
    }

    private string Full(string path) => Path.GetFullPath(path, directory);
}
