using System.Globalization;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Actors.Tests.Shards;

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MeasuresMemory
{
    public const string Name = "measures the process's memory";
}

[Collection(MeasuresMemory.Name)]
public sealed class ShardStateTests : IDisposable
{
    private static readonly ParameterLayout Layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
    private static readonly OptimizerConstants Optimizer = new(0.9f, 0.95f, 1e-8f, 0.001f);

    private readonly string _folder = Directory.CreateTempSubdirectory("elastictrain-shards-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static ShardState State(ParameterLayout layout, int shard)
    {
        var state = new ShardState(layout, new ShardId(shard), Optimizer);
        state.Initialize(1);
        return state;
    }

    private static ApplyStep Decision(long step, int frozenPrefix = 0, bool drop = false, bool skipped = false) => new(
        new Term(1), Sample.Version(step - 1), Sample.Version(step), Sample.Commit(step) with { Skipped = skipped }, 1f, 0.1f, 0.05f, frozenPrefix, drop,
        new long[Layout.MoeLayerCount * Layout.Config.NRoutedExperts])
    {
        WeightDecay = 0.1f,
    };

    private static float[] Gradient(ShardState state, int seed) => [.. Enumerable.Range(0, state.Info.Length).Select(i => MathF.Sin(i + seed))];

    private static int[] Bits(NativeBuffer values) => [.. values.Span.ToArray().Select(BitConverter.SingleToInt32Bits)];

    [Fact]
    public void Moments_that_are_kept_stay_and_moments_that_are_dropped_are_given_back_and_begin_with_zeros_after_the_thaw()
    {
        using ShardState kept = State(Layout, 1), dropped = State(Layout, 1);
        long whole = dropped.Bytes;
        Assert.Equal(12L * dropped.Info.Length, whole);
        foreach (var state in (ShardState[])[kept, dropped])
        {
            state.Apply(Decision(1), Gradient(state, 1));
            state.Apply(Decision(2, frozenPrefix: 1, drop: state == dropped), default);
        }
        Assert.Equal((whole, whole / 3), (kept.Bytes, dropped.Bytes));
        Assert.Equal(Bits(kept.Parameters), Bits(dropped.Parameters));
        dropped.Apply(Decision(3, frozenPrefix: 1), default);
        dropped.Apply(Decision(4, skipped: true), Gradient(dropped, 2));
        Assert.Equal(whole / 3, dropped.Bytes);

        using ShardState zeros = State(Layout, 1);
        dropped.Parameters.Span.CopyTo(zeros.Parameters.Span);
        foreach (var state in (ShardState[])[kept, dropped, zeros]) state.Apply(Decision(5), Gradient(state, 3));
        Assert.Equal(whole, dropped.Bytes);
        Assert.Equal(Bits(zeros.Parameters), Bits(dropped.Parameters));
        Assert.Equal(Bits(zeros.Moment1), Bits(dropped.Moment1));
        Assert.NotEqual(Bits(kept.Parameters), Bits(dropped.Parameters));
    }

    [Fact]
    public void A_frozen_shard_without_moments_is_a_third_of_a_blob_is_written_once_and_is_read_as_it_was()
    {
        var store = new CheckpointStore(_folder);
        using ShardState state = State(Layout, 1);
        state.Apply(Decision(1), Gradient(state, 1));
        var full = store.WriteBlob(state.Info.Id, state.Parameters, state.Moment1, state.Moment2);
        state.Apply(Decision(2, frozenPrefix: 1, drop: true), default);
        var bare = store.WriteBlob(state.Info.Id, state.Parameters, state.Moment1, state.Moment2);
        state.Apply(Decision(3, frozenPrefix: 1), default);
        Assert.Equal(bare, store.WriteBlob(state.Info.Id, state.Parameters, state.Moment1, state.Moment2));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_folder, "blobs")).Length);
        Assert.Equal(8L * state.Info.Length, full.Bytes - bare.Bytes, 64L);

        using ShardState read = State(Layout, 1);
        read.Load(store, bare);
        Assert.Equal(state.Bytes, read.Bytes);
        Assert.Equal(Bits(state.Parameters), Bits(read.Parameters));
        read.Load(store, full);
        Assert.Equal(12L * state.Info.Length, read.Bytes);
        using ShardState other = State(Layout, 0);
        Assert.Throws<CorruptionException>(() => other.Load(store, bare with { Shard = other.Info.Id }));
    }

    /// <summary>What the process holds, asked of the system and not of the code under test. Nothing else runs meanwhile.</summary>
    [Fact]
    public void Dropped_moments_are_memory_that_the_process_does_not_hold_any_more()
    {
        if (!OperatingSystem.IsLinux()) return;
        // As in every process that trains: its allocator keeps what it is given.
        TorchRuntime.Initialize();
        var layout = ParameterLayout.Create(ModelConfig.Preset("tiny") with { VocabSize = 800_000 });
        using ShardState state = State(layout, 0);
        long moments = 8L * state.Info.Length;
        Assert.True(moments > 100 << 20, $"{moments} bytes drown in the noise");
        state.Apply(Decision(1), Gradient(state, 1));
        long before = Resident();
        state.Apply(Decision(2, frozenPrefix: 1, drop: true), default);
        Assert.InRange(before - Resident(), moments * 9 / 10, moments * 11 / 10);
    }

    private static long Resident() => 1024 * long.Parse(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
