using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Actors.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private static readonly Digest256 ThePlan = Digest256.Of("plan");
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("checkpoint").FullName;
    private readonly CheckpointStore _store;

    public CheckpointStoreTests() => _store = new CheckpointStore(_folder);

    public void Dispose() => System.IO.Directory.Delete(_folder, recursive: true);

    private static float[] Values(int length, int salt) => [.. Enumerable.Range(0, length).Select(i => (float)Math.Sin(i + (1000.0 * salt)))];

    private static BlobReference WriteShard(CheckpointStore store, int shard, int salt, int length = 1000) =>
        store.WriteBlob(new ShardId(shard), Values(length, salt), Values(length, salt + 1), Values(length, salt + 2));

    /// <summary>
    /// A checkpoint of two shards: shard 0 is the same in all, shard 1 differs from step to step. Files get older the lower their step
    /// is.
    /// </summary>
    private CheckpointManifest WriteCheckpoint(long step)
    {
        var manifest = new CheckpointManifest(new Step(step), Digest256.Of($"lineage {step}"), ThePlan, step, [WriteShard(_store, 0, 5), WriteShard(_store, 1, (int)step)]);
        _store.WriteManifest(manifest);
        DateTime time = DateTime.UtcNow.AddHours(-1).AddSeconds(step);
        File.SetLastWriteTimeUtc(_store.PathOf(manifest.Blobs[1]), time.AddMilliseconds(-100));
        File.SetLastWriteTimeUtc(_store.PathOf(manifest.Step), time);
        return manifest;
    }

    private static void Flip(string path, long offset)
    {
        byte[] content = File.ReadAllBytes(path);
        content[offset] ^= 0x10;
        File.WriteAllBytes(path, content);
    }

    private static void Truncate(string path, long length)
    {
        using var stream = new FileStream(path, FileMode.Open);
        stream.SetLength(length);
    }

    private string[] AllFiles() => System.IO.Directory.GetFiles(_folder, "*", SearchOption.AllDirectories);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(1001, 1001)]
    [InlineData(1001, 0)]
    public void A_state_written_and_read_again_is_the_same_to_the_bit(int length, int moments)
    {
        float[] p = Values(length, 1), m1 = Values(moments, 2), m2 = Values(moments, 3);
        if (length > 1) (p[0], p[1]) = (float.NaN, -0f);
        BlobReference blob = _store.WriteBlob(new ShardId(7), p, m1, m2);
        float[] p2 = new float[length], m12 = new float[moments], m22 = new float[moments];
        _store.ReadBlob(blob, p2, m12, m22);
        Assert.Equal(p.Select(BitConverter.SingleToUInt32Bits), p2.Select(BitConverter.SingleToUInt32Bits));
        Assert.Equal(m1, m12);
        Assert.Equal(m2, m22);
        Assert.Null(_store.VerifyBlob(blob));
        byte[] content = File.ReadAllBytes(_store.PathOf(blob));
        Assert.Equal((blob.Hash, blob.Bytes), (Digest256.Of(content), content.Length));
    }

    [Fact]
    public void A_state_in_native_buffers_gives_the_same_blob_as_one_in_arrays()
    {
        using NativeBuffer p = new(100), m1 = new(100), m2 = new(100);
        Values(100, 1).CopyTo(p.Span);
        Values(100, 2).CopyTo(m1.Span);
        Values(100, 3).CopyTo(m2.Span);
        Assert.Equal(WriteShard(_store, 4, 1, 100), _store.WriteBlob(new ShardId(4), p, m1, m2));
        using NativeBuffer p2 = new(100), m12 = new(100), m22 = new(100);
        _store.ReadBlob(WriteShard(_store, 4, 1, 100), p2, m12, m22);
        Assert.True(p.Span.SequenceEqual(p2.Span));
    }

    [Fact]
    public void A_blob_is_a_safetensors_file_of_three_flat_tensors()
    {
        using var reader = SafetensorsReader.Open(_store.PathOf(WriteShard(_store, 12, 1, 10)));
        Assert.Equal("12", reader.Metadata["shard"]);
        Assert.Equal(["moment1", "moment2", "parameters"], reader.Entries.Keys.Order());
        float[] moment = new float[10];
        reader.Read("moment1", moment);
        Assert.Equal(Values(10, 2), moment);
    }

    [Fact]
    public void A_frozen_shard_is_not_written_again()
    {
        BlobReference blob = WriteShard(_store, 0, 5);
        var refusing = new CheckpointStore(_folder, _ => throw new IOException("nothing may be written"));
        Assert.Equal(blob, WriteShard(refusing, 0, 5));
        Assert.Throws<CheckpointWriteException>(() => WriteShard(refusing, 0, 6));
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("truncate")]
    public void A_blob_that_was_damaged_on_disk_is_written_anew_by_the_next_process(string damage)
    {
        BlobReference blob = WriteShard(_store, 0, 5);
        if (damage == "flip") Flip(_store.PathOf(blob), 3000);
        else Truncate(_store.PathOf(blob), 3000);
        Assert.NotNull(_store.VerifyBlob(blob));
        Assert.Equal(blob, WriteShard(new CheckpointStore(_folder), 0, 5));
        Assert.Null(_store.VerifyBlob(blob));
    }

    [Fact]
    public void Many_writers_of_the_same_blob_leave_one_good_file()
    {
        var stores = Enumerable.Range(0, 8).Select(_ => new CheckpointStore(_folder)).ToArray();
        var blobs = new BlobReference[64];
        Parallel.For(0, blobs.Length, i => blobs[i] = WriteShard(stores[i % stores.Length], 0, 5, 50_000));
        Assert.Single(blobs.Distinct());
        Assert.Null(_store.VerifyBlob(blobs[0]));
        Assert.Equal([_store.PathOf(blobs[0])], AllFiles());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(11_999)]
    public void A_full_disk_leaves_no_file_and_names_the_path_and_the_bytes_needed(int room)
    {
        CheckpointManifest before = WriteCheckpoint(10);
        string[] files = AllFiles();
        var full = new CheckpointStore(_folder, stream => new SmallDisk(stream, room));
        var error = Assert.Throws<CheckpointWriteException>(() => WriteShard(full, 0, 77));
        Assert.Equal(before.Blobs[0].Bytes, error.Bytes);
        Assert.Contains(error.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<CheckpointWriteException>(() => new CheckpointStore(_folder, stream => new SmallDisk(stream, 50)).WriteManifest(before with { Step = new Step(11) }));
        Assert.Equal(_store.PathOf(new Step(11)), error.Path);
        Assert.Equal(files.Order(), AllFiles().Order());
        Assert.Equal(before, _store.NewestThatVerifies(ThePlan, _ => true).Newest);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        Assert.Contains(file, Assert.Throws<CheckpointWriteException>(() => WriteShard(new CheckpointStore(file), 0, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_that_changes_while_it_is_written_gives_no_blob()
    {
        using NativeBuffer state = new(100);
        var changing = new CheckpointStore(_folder, stream =>
        {
            state.Span[50] = 1;
            return stream;
        });
        Assert.Throws<InvalidOperationException>(() => changing.WriteBlob(new ShardId(0), state, state, state));
        Assert.Empty(AllFiles());
    }

    [Theory]
    [InlineData("flip header")]
    [InlineData("flip data")]
    [InlineData("truncate")]
    [InlineData("delete")]
    [InlineData("grow")]
    public void A_damaged_blob_is_found_and_the_checkpoint_before_is_used(string damage)
    {
        CheckpointManifest good = WriteCheckpoint(10), bad = WriteCheckpoint(20);
        string path = _store.PathOf(bad.Blobs[1]);
        if (damage == "flip header") Flip(path, 20);
        if (damage == "flip data") Flip(path, 9000);
        if (damage == "truncate") Truncate(path, 9000);
        if (damage == "delete") File.Delete(path);
        if (damage == "grow") Truncate(path, 20_000);
        var (newest, problems) = new CheckpointStore(_folder).NewestThatVerifies(ThePlan, _ => true);
        Assert.Equal(good, newest);
        Assert.Contains(path, Assert.Single(problems), StringComparison.Ordinal);
        float[] p = new float[1000], m1 = new float[1000], m2 = new float[1000];
        var error = Assert.Throws<CorruptionException>(() => _store.ReadBlob(bad.Blobs[1], p, m1, m2));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        _store.ReadBlob(good.Blobs[1], p, m1, m2);
        Assert.Equal(Values(1000, 10), p);
    }

    [Fact]
    public void A_blob_read_into_a_shard_of_another_size_is_refused()
    {
        BlobReference blob = WriteShard(_store, 0, 5, 100);
        float[] a = new float[100], b = new float[99];
        Assert.Throws<CorruptionException>(() => _store.ReadBlob(blob, b, b, b));
        Assert.Throws<CorruptionException>(() => _store.ReadBlob(blob, a, a, b));
        Assert.Throws<CorruptionException>(() => _store.ReadBlob(blob with { Shard = new ShardId(1) }, a, a, new float[100]));
    }

    [Theory]
    [InlineData("empty")]
    [InlineData("half")]
    [InlineData("flip step")]
    [InlineData("flip anywhere")]
    [InlineData("renamed")]
    [InlineData("other format")]
    public void A_torn_or_changed_manifest_is_reported_and_not_used(string damage)
    {
        CheckpointManifest good = WriteCheckpoint(10), bad = WriteCheckpoint(20);
        string path = _store.PathOf(bad.Step), text = File.ReadAllText(path);
        File.WriteAllText(path, damage switch
        {
            "empty" => "",
            "half" => text[..(text.Length / 2)],
            "flip step" => text.Replace("\"optimizerStep\": 20", "\"optimizerStep\": 21", StringComparison.Ordinal),
            "flip anywhere" => text.Replace("\n  ", "\n\t", StringComparison.Ordinal),
            "other format" => text.Replace("checkpoint/1", "checkpoint/2", StringComparison.Ordinal),
            _ => text,
        });
        if (damage == "renamed") File.Move(path, path = _store.PathOf(new Step(30)));
        Assert.Equal([good], _store.Manifests(out var problems));
        Assert.Contains(path, Assert.Single(problems), StringComparison.Ordinal);
        Assert.Equal(good, _store.NewestThatVerifies(ThePlan, _ => true).Newest);
    }

    [Fact]
    public void A_checkpoint_without_a_seal_or_of_another_plan_does_not_exist()
    {
        CheckpointManifest good = WriteCheckpoint(10);
        WriteCheckpoint(20);
        var (newest, problems) = _store.NewestThatVerifies(ThePlan, manifest => manifest.Step.Value == 10);
        Assert.Equal(good, newest);
        Assert.Contains("no seal", Assert.Single(problems), StringComparison.Ordinal);
        (newest, problems) = _store.NewestThatVerifies(Digest256.Of("other"), _ => true);
        Assert.Null(newest);
        Assert.Equal(2, problems.Count);
    }

    [Fact]
    public void A_manifest_is_refused_while_a_blob_of_it_is_missing()
    {
        BlobReference blob = WriteShard(_store, 0, 5);
        var manifest = new CheckpointManifest(new Step(1), default, ThePlan, 1, [blob, blob with { Shard = new ShardId(1), Hash = Digest256.Of("gone") }]);
        Assert.Throws<CorruptionException>(() => _store.WriteManifest(manifest));
        Assert.Throws<ArgumentException>(() => _store.WriteManifest(manifest with { Blobs = [blob, blob] }));
        Assert.Empty(_store.Manifests(out _));
    }

    [Fact]
    public void A_folder_without_checkpoints_has_none()
    {
        Assert.Empty(new CheckpointStore(Path.Combine(_folder, "nowhere")).Manifests(out var problems));
        Assert.Empty(problems);
        Assert.Null(_store.NewestThatVerifies(ThePlan, _ => true).Newest);
    }

    [Fact]
    public void The_digest_of_a_state_depends_on_shards_and_content_only()
    {
        CheckpointManifest a = WriteCheckpoint(10), b = WriteCheckpoint(20);
        Assert.NotEqual(a.StateDigest, b.StateDigest);
        Assert.Equal(a.StateDigest, (b with { Blobs = a.Blobs }).StateDigest);
        Assert.NotEqual(a.StateDigest, (a with { Blobs = [a.Blobs[0], a.Blobs[1] with { Shard = new ShardId(2) }] }).StateDigest);
    }

    [Fact]
    public void Collecting_keeps_what_kept_and_newer_checkpoints_need_and_deletes_the_rest()
    {
        CheckpointManifest[] all = [.. new long[] { 10, 20, 30, 40 }.Select(WriteCheckpoint)];
        string old = Path.Combine(_folder, "blobs", ".x.safetensors.1.abc.tmp"), fresh = Path.Combine(_folder, "manifests", ".y.json.1.abc.tmp");
        File.WriteAllText(old, "");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-2));
        File.WriteAllText(fresh, "");
        BlobReference onItsWay = WriteShard(_store, 1, 50);
        _store.Collect([all[1], all[2]]);
        Assert.Equal([all[3], all[2], all[1]], _store.Manifests(out _));
        Assert.Equal(new[] { fresh, _store.PathOf(onItsWay) }.Concat(all[1..].Select(manifest => _store.PathOf(manifest.Step)))
            .Concat(all[1..].SelectMany(manifest => manifest.Blobs).Select(_store.PathOf)).Distinct().Order(), AllFiles().Order());
        foreach (var blob in all[1..].SelectMany(manifest => manifest.Blobs)) Assert.Null(_store.VerifyBlob(blob));
    }

    [Fact]
    public void Collecting_with_nothing_to_keep_deletes_nothing()
    {
        CheckpointManifest manifest = WriteCheckpoint(10);
        _store.Collect([]);
        _store.Collect([manifest with { Step = new Step(99) }]);
        Assert.Equal([manifest], _store.Manifests(out _));
    }

    [Fact]
    public void An_old_blob_that_a_new_checkpoint_uses_again_survives_the_collection_in_between()
    {
        CheckpointManifest first = WriteCheckpoint(10), second = WriteCheckpoint(20);
        Assert.Equal(first.Blobs[1], WriteShard(_store, 1, 10));
        _store.Collect([second]);
        Assert.Null(_store.VerifyBlob(first.Blobs[1]));
        Assert.Equal([second], _store.Manifests(out _));
    }

    /// <summary>A disk with room for so many more bytes.</summary>
    private sealed class SmallDisk(FileStream inner, long room) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => inner.Length;

        public override long Position { get => inner.Position; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            inner.Write(buffer[..(int)Math.Min(room, buffer.Length)]);
            room -= buffer.Length;
            if (room < 0) throw new IOException("No space left on device");
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
