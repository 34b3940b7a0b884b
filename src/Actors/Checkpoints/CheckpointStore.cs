using System.Collections.Concurrent;
using System.Security.Cryptography;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>
/// Checkpoints as files: <c>blobs/SHA256.safetensors</c>, one per shard state, and <c>manifests/STEP.json</c>, written last. A state that
/// did not change (a frozen layer) has the same hash and is not written again. Several processes may use one folder at a time; each file
/// appears whole or not at all. A manifest alone does not make a checkpoint: its seal in the journal does.
/// </summary>
/// <param name="directory">The folder; made when the first file is written.</param>
public sealed class CheckpointStore(string directory)
{
    private const string TemporaryPattern = ".*.tmp";
    private readonly string _directory = Path.GetFullPath(directory);
    private readonly Func<FileStream, Stream> _open = stream => stream;

    /// <summary>
    /// Blobs that this process wrote or read whole and found good; others are read once before they are taken for a state that is to be
    /// written.
    /// </summary>
    private readonly ConcurrentDictionary<Digest256, bool> _good = new();

    /// <summary>A store whose writes go through <paramref name="open"/>, so that tests can let them fail.</summary>
    internal CheckpointStore(string directory, Func<FileStream, Stream> open) : this(directory) => _open = open;

    /// <summary>The folder, as an absolute path.</summary>
    public string Directory => _directory;

    private string BlobFolder => Path.Combine(_directory, "blobs");

    private string ManifestFolder => Path.Combine(_directory, "manifests");

    /// <summary>Where a blob is stored.</summary>
    public string PathOf(BlobReference blob) => Path.Combine(BlobFolder, $"{blob.Hash}.safetensors");

    /// <summary>Where the manifest of a step is stored.</summary>
    public string PathOf(Step step) => Path.Combine(ManifestFolder, FormattableString.Invariant($"{step.Value:D10}.json"));

    /// <summary>The blob that a state would be, without writing it.</summary>
    public static BlobReference Reference(ShardId shard, ReadOnlySpan<float> parameters, ReadOnlySpan<float> moment1, ReadOnlySpan<float> moment2)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        ShardBlob.Produce(shard, parameters, moment1, moment2, piece => hash.AppendData(piece));
        return new BlobReference(shard, new Digest256(hash.GetHashAndReset()), ShardBlob.Size(shard, parameters.Length, moment1.Length));
    }

    /// <summary>Writes the state of a shard, durably, unless the same state is already there.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="parameters">fp32 master weights, n values; they must not change during the call.</param>
    /// <param name="moment1">First moments, n values, or none where they were dropped.</param>
    /// <param name="moment2">Second moments, as many as first ones.</param>
    /// <exception cref="CheckpointWriteException">The disk is full or the folder cannot be written; no file is left behind.</exception>
    /// <exception cref="InvalidOperationException">The state changed during the call.</exception>
    public unsafe BlobReference WriteBlob(
        ShardId shard, ReadOnlySpan<float> parameters, ReadOnlySpan<float> moment1, ReadOnlySpan<float> moment2)
    {
        // Hashed first: an unchanged state costs no byte of disk traffic, and the second hash, taken while writing, proves that the file
        // holds what it is named after.
        var blob = Reference(shard, parameters, moment1, moment2);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        string path = PathOf(blob);
        if (IsStored(blob, path)) return blob;
        // Spans cannot be captured, so the three are pinned and seen again inside.
        fixed (float* p = parameters, m1 = moment1, m2 = moment2)
        {
            var (a, b, c) = ((nint)p, (nint)m1, (nint)m2);
            var (n, m) = (parameters.Length, moment1.Length);
            Write(path, blob.Bytes, stream => ShardBlob.Produce(shard, new((float*)a, n), new((float*)b, m), new((float*)c, m), piece =>
            {
                hash.AppendData(piece);
                stream.Write(piece);
            }), () =>
            {
                if (new Digest256(hash.GetHashAndReset()) != blob.Hash)
                    throw new InvalidOperationException($"The state of shard {shard} changed while it was written to a checkpoint.");
            });
        }
        _good[blob.Hash] = true;
        return blob;
    }

    /// <inheritdoc cref="WriteBlob(ShardId, ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float})"/>
    public BlobReference WriteBlob(ShardId shard, NativeBuffer parameters, NativeBuffer moment1, NativeBuffer moment2) =>
        WriteBlob(shard, parameters.Span, moment1.Span, moment2.Span);

    /// <summary>Writes a manifest, durably. All its blobs must be there.</summary>
    /// <exception cref="CheckpointWriteException">The disk is full or the folder cannot be written; no file is left behind.</exception>
    /// <exception cref="CorruptionException">A blob is missing or has another length.</exception>
    /// <exception cref="ArgumentException">The blobs are not in ascending shard order.</exception>
    public void WriteManifest(CheckpointManifest manifest)
    {
        foreach (var (before, after) in manifest.Blobs.Zip(manifest.Blobs.Skip(1)))
            if (after.Shard.Value <= before.Shard.Value)
                throw new ArgumentException($"Blobs must be in shard order, found {after.Shard} after {before.Shard}.", nameof(manifest));
        foreach (var blob in manifest.Blobs)
        {
            var file = new FileInfo(PathOf(blob));
            if (!file.Exists || file.Length != blob.Bytes)
                throw new CorruptionException(file.FullName, file.Exists ? $"{file.Length} bytes" : "no such file", $"{blob.Bytes} bytes");
        }
        byte[] content = ManifestFile.Write(manifest);
        Write(PathOf(manifest.Step), content.Length, stream => stream.Write(content), () => { });
    }

    /// <summary>The manifests that can be read, newest first. Whether their blobs are good is not looked at.</summary>
    /// <param name="problems">A line for each file that is no good manifest: the file and why.</param>
    public IReadOnlyList<CheckpointManifest> Manifests(out IReadOnlyList<string> problems)
    {
        var manifests = new List<CheckpointManifest>();
        var wrong = new List<string>();
        foreach (string path in Files(ManifestFolder, "*.json").OrderDescending(StringComparer.Ordinal))
        {
            try
            {
                CheckpointManifest manifest = ManifestFile.Read(path, File.ReadAllBytes(path));
                if (path == PathOf(manifest.Step)) manifests.Add(manifest);
                else wrong.Add($"{path}: found the manifest of step {manifest.Step}, expected that of the step in its name");
            }
            catch (Exception error) when (error is CorruptionException or IOException or UnauthorizedAccessException)
            {
                wrong.Add(error is CorruptionException ? error.Message : $"{path}: {error.Message}");
            }
        }
        problems = wrong;
        return [.. manifests.OrderByDescending(manifest => manifest.Step)];
    }

    /// <summary>Reads a blob and compares its length and SHA-256.</summary>
    /// <returns>Null if it is good; else what is wrong, with its path.</returns>
    public string? VerifyBlob(BlobReference blob)
    {
        string path = PathOf(blob);
        try
        {
            using var stream = OpenRead(path);
            if (stream.Length != blob.Bytes) return $"{path}: found {stream.Length} bytes, expected {blob.Bytes}";
            var found = new Digest256(SHA256.HashData(stream));
            if (found == blob.Hash)
            {
                _good[blob.Hash] = true;
                return null;
            }
            _good.TryRemove(blob.Hash, out _);
            return $"{path}: found content with SHA-256 {found}, expected the SHA-256 in its name";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"{path}: found {Reason(error)}, expected shard {blob.Shard}, {blob.Bytes} bytes";
        }
    }

    /// <summary>Whether a blob holds moments beside the parameters; a frozen shard may have lost them.</summary>
    /// <param name="blob">Which blob.</param>
    /// <param name="parameters">Parameters of its shard.</param>
    /// <exception cref="CorruptionException">It has the size of neither.</exception>
    public bool HasMoments(BlobReference blob, long parameters)
    {
        long with = ShardBlob.Size(blob.Shard, parameters, parameters), without = ShardBlob.Size(blob.Shard, parameters, 0);
        return blob.Bytes == with || (blob.Bytes == without
            ? false
            : throw new CorruptionException(PathOf(blob), $"a blob of {blob.Bytes} bytes", $"{with}, or {without} without moments, for {parameters} parameters"));
    }

    /// <summary>Reads the state of a shard, checking its hash on the way.</summary>
    /// <param name="blob">Which blob.</param>
    /// <param name="parameters">n values; their content is undefined if the call fails.</param>
    /// <param name="moment1">As many as were written.</param>
    /// <param name="moment2">As many as were written.</param>
    /// <exception cref="CorruptionException">The file is missing, short, damaged, or of a shard of other sizes.</exception>
    public void ReadBlob(BlobReference blob, Span<float> parameters, Span<float> moment1, Span<float> moment2)
    {
        string path = PathOf(blob);
        long expected = ShardBlob.Size(blob.Shard, parameters.Length, moment1.Length);
        if (expected != blob.Bytes || moment1.Length != moment2.Length)
            throw new CorruptionException(
                path, $"a blob of {blob.Bytes} bytes",
                $"{expected}, for {parameters.Length} parameters with {moment1.Length} and {moment2.Length} moments");
        try
        {
            using var stream = OpenRead(path);
            if (stream.Length != blob.Bytes) throw new CorruptionException(path, $"{stream.Length} bytes", $"{blob.Bytes}");
            var (found, isThisShard) = ShardBlob.Read(stream, blob.Shard, parameters, moment1, moment2);
            if (found != blob.Hash) throw new CorruptionException(path, $"content with SHA-256 {found}", "the SHA-256 in its name");
            if (!isThisShard)
                throw new CorruptionException(path, "the state of another shard", $"shard {blob.Shard} with {parameters.Length} parameters");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CorruptionException(path, Reason(error), $"shard {blob.Shard}, {blob.Bytes} bytes");
        }
        _good[blob.Hash] = true;
    }

    /// <inheritdoc cref="ReadBlob(BlobReference, Span{float}, Span{float}, Span{float})"/>
    public void ReadBlob(BlobReference blob, NativeBuffer parameters, NativeBuffer moment1, NativeBuffer moment2) =>
        ReadBlob(blob, parameters.Span, moment1.Span, moment2.Span);

    /// <summary>The newest sealed checkpoint of a plan all of whose blobs are good.</summary>
    /// <param name="planHash">The plan that the run computes.</param>
    /// <param name="isSealed">Whether the journal holds the checkpoint's seal.</param>
    /// <returns>The checkpoint, null if there is none; and a line for each newer one that was passed over, with the reason.</returns>
    public (CheckpointManifest? Newest, IReadOnlyList<string> Problems) NewestThatVerifies(
        Digest256 planHash, Func<CheckpointManifest, bool> isSealed)
    {
        var manifests = Manifests(out var unreadable);
        var problems = new List<string>(unreadable);
        foreach (var manifest in manifests)
        {
            string path = PathOf(manifest.Step);
            string? problem =
                manifest.PlanHash != planHash ? $"{path}: found a checkpoint of plan {manifest.PlanHash.Short}, expected plan {planHash.Short}"
                : !isSealed(manifest) ? $"{path}: found no seal in the journal for the checkpoint of step {manifest.Step}"
                : manifest.Blobs.Select(VerifyBlob).FirstOrDefault(found => found is not null);
            if (problem is null) return (manifest, problems);
            problems.Add(problem);
        }
        return (null, problems);
    }

    /// <summary>
    /// Deletes what no kept checkpoint needs: other manifests, then blobs, then temporary files that a killed process left. Never touched
    /// are manifests newer than the newest kept one and their blobs (a deposed coordinator must not delete its successor's work), nor
    /// files written since the newest kept manifest (a checkpoint on its way).
    /// </summary>
    /// <param name="keep">At least one manifest in the store; without one nothing is deleted.</param>
    public void Collect(IReadOnlyList<CheckpointManifest> keep)
    {
        if (keep.Count == 0) return;
        Step newest = keep.Max(manifest => manifest.Step);
        var newestFile = new FileInfo(PathOf(newest));
        if (!newestFile.Exists) return;
        DateTime before = newestFile.LastWriteTimeUtc;
        var kept = keep.Select(manifest => PathOf(manifest.Step)).ToHashSet(StringComparer.Ordinal);
        foreach (string path in Files(ManifestFolder, "*.json"))
            if (!kept.Contains(path) && string.CompareOrdinal(path, newestFile.FullName) < 0) File.Delete(path);

        var needed = keep.Concat(Manifests(out _)).SelectMany(manifest => manifest.Blobs).Select(PathOf).ToHashSet(StringComparer.Ordinal);
        foreach (string path in Files(BlobFolder, "*.safetensors").Where(path => !needed.Contains(path))
            .Concat(Files(BlobFolder, TemporaryPattern)).Concat(Files(ManifestFolder, TemporaryPattern)))
        {
            if (File.GetLastWriteTimeUtc(path) < before) File.Delete(path);
        }
    }

    /// <summary>
    /// Whether the blob is there already. It is touched, so that no collection takes it for old; and read once if this process does not
    /// know it: a blob damaged on disk must be written anew, or the repeated checkpoint would be as bad as the first.
    /// </summary>
    private bool IsStored(BlobReference blob, string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists || file.Length != blob.Bytes) return false;
        try
        {
            file.LastWriteTimeUtc = DateTime.UtcNow;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false; // deleted in between, or not ours to touch: written anew
        }
        return _good.ContainsKey(blob.Hash) || VerifyBlob(blob) is null;
    }

    private void Write(string path, long bytes, Action<Stream> write, Action check)
    {
        try
        {
            AtomicFile.Write(path, file =>
            {
                Stream stream = _open(file);
                write(stream);
                check();
            });
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointWriteException(path, bytes, error);
        }
    }

    private static FileStream OpenRead(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0, FileOptions.SequentialScan);

    private static string Reason(Exception error) =>
        error is FileNotFoundException or DirectoryNotFoundException ? "no such file" : error.Message;

    private static string[] Files(string folder, string pattern) =>
        System.IO.Directory.Exists(folder) ? System.IO.Directory.GetFiles(folder, pattern) : [];
}
