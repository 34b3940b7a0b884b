using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>The folder of checkpoints, by the rules of the product's CheckpointStore, on a disk that may lie. Names and hashes are the real ones.</summary>
public sealed class SimStorage(Simulation sim)
{
    private sealed class Blob(BlobReference reference, float[] state, SimProcess writer)
    {
        public BlobReference Reference { get; } = reference;

        public float[] State { get; } = state;

        public SimProcess Writer { get; } = writer;

        public bool IsDamaged { get; set; }

        public bool IsFlushed { get; set; } = true;

        public long Written { get; set; }
    }

    private readonly Dictionary<Digest256, Blob> _blobs = [];
    private readonly SortedDictionary<long, (CheckpointManifest Manifest, long Written)> _manifests = [];
    private readonly HashSet<(SimProcess, Digest256)> _good = [];
    private long _writes;

    /// <summary>Share of files that cannot be written.</summary>
    public double Failure { get; set; }

    /// <summary>Share of files that are damaged from the beginning.</summary>
    public double Tear { get; set; }

    /// <summary>Share of files that are gone when their writer ends.</summary>
    public double Lie { get; set; }

    /// <summary>Writes a shard's state; null if the disk does not take it.</summary>
    public BlobReference? Write(SimProcess process, ShardId shard, float[] state)
    {
        var reference = Arithmetic.BlobOf(sim.Scenario.Layout.Shards[shard.Value], state);
        if (_blobs.TryGetValue(reference.Hash, out var known) && (!known.IsDamaged || _good.Contains((process, reference.Hash))))
        {
            known.Written = ++_writes;
            return reference;
        }
        if (sim.Random.Chance(Failure)) return null;
        _good.Add((process, reference.Hash));
        _blobs[reference.Hash] = new Blob(reference, state, process) { IsDamaged = sim.Random.Chance(Tear), IsFlushed = !sim.Random.Chance(Lie), Written = ++_writes };
        return reference;
    }

    /// <summary>Writes a manifest; false if the disk does not take it or a blob is missing.</summary>
    public bool Write(CheckpointManifest manifest)
    {
        if (sim.Random.Chance(Failure) || !manifest.Blobs.All(b => _blobs.ContainsKey(b.Hash))) return false;
        _manifests[manifest.Step.Value] = (manifest, ++_writes);
        return true;
    }

    /// <summary>Reads a blob into a state.</summary>
    public void Read(Digest256 hash, ShardState state)
    {
        if (!_blobs.TryGetValue(hash, out var blob) || blob.IsDamaged) throw new CorruptionException(hash.Short, blob is null ? "no such file" : "other content", "the SHA-256 in its name");
        Arithmetic.Load(state, blob.State);
    }

    /// <summary>The newest manifest among some versions all of whose blobs are good, and what is wrong with newer ones.</summary>
    public (CheckpointManifest? Newest, IReadOnlyList<string> Problems) NewestThatVerifies(Digest256 planHash, IReadOnlySet<Lineage> versions)
    {
        List<string> problems = [];
        foreach (var (manifest, _) in _manifests.Values.Reverse())
        {
            string? problem = manifest.PlanHash != planHash ? "another plan's"
                : !versions.Contains(manifest.Version) && sim.Sabotage != Sabotage.UnsealedCheckpoint ? $"no seal for step {manifest.Step}"
                : manifest.Blobs.Any(b => !_blobs.TryGetValue(b.Hash, out var blob) || blob.IsDamaged) ? $"a blob of step {manifest.Step} is damaged" : null;
            if (problem is null) return (manifest, problems);
            problems.Add(problem);
        }
        return (null, problems);
    }

    /// <summary>Deletes what no kept checkpoint needs.</summary>
    public void Collect(IReadOnlyList<Lineage> kept)
    {
        var keep = _manifests.Values.Where(m => kept.Contains(m.Manifest.Version)).ToList();
        if (keep.Count == 0) return;
        var newest = keep.MaxBy(m => m.Manifest.Step.Value);
        foreach (long step in _manifests.Keys.Where(s => s < newest.Manifest.Step.Value && keep.All(k => k.Manifest.Step.Value != s)).ToList()) _manifests.Remove(step);
        var needed = _manifests.Values.SelectMany(m => m.Manifest.Blobs).Select(b => b.Hash).ToHashSet();
        foreach (var hash in _blobs.Where(b => !needed.Contains(b.Key) && b.Value.Written < newest.Written).Select(b => b.Key).ToList()) _blobs.Remove(hash);
    }

    /// <summary>Damages a blob.</summary>
    public void Rot()
    {
        if (_blobs.Count > 0) sim.Random.Of(_blobs.Values.ToList()).IsDamaged = true;
    }

    /// <summary>Loses a blob.</summary>
    public void Lose()
    {
        if (_blobs.Count > 0) _blobs.Remove(sim.Random.Of(_blobs.Keys.ToList()));
    }

    /// <summary>A process has ended: what its disk only said it had written is gone.</summary>
    public void OnKilled(SimProcess process)
    {
        foreach (var (hash, blob) in _blobs.Where(b => b.Value.Writer == process && !b.Value.IsFlushed).ToList()) _blobs.Remove(hash);
    }

    /// <summary>It keeps what it is given from now on.</summary>
    public void Heal() => (Failure, Tear, Lie) = (0, 0, 0);
}
