using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Actors.Tests.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Shards;

public sealed class ShardReplicaTests : IDisposable
{
    internal const int Ranks = 12;

    internal static readonly ParameterLayout Layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
    internal static readonly ShardInfo Shard = Layout.Shards.First(s => s.Kind == ShardKind.Expert);
    internal static readonly OptimizerConstants Optimizer = new(0.9f, 0.95f, 1e-8f, 0.001f);

    private readonly BufferPool _pool = new();
    private readonly List<GradientSealed> _seals = [];

    public void Dispose() => _pool.Dispose();

    private ShardReplica Replica(Action<GradientSealed>? onSealed = null)
    {
        var state = new ShardState(Layout, Shard.Id, Optimizer);
        state.Initialize(1);
        return new ShardReplica(state, new ReplicaId(5), Sample.Version(0), Ranks, _pool, seal =>
        {
            lock (_seals) _seals.Add(seal);
            onSealed?.Invoke(seal);
        });
    }

    internal static float[] Gradient(long step, int rank)
    {
        var random = new Random((int)(step * 1000) + rank);
        return [.. Enumerable.Range(0, Shard.Length).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 3))))];
    }

    internal static ApplyStep Decision(long step, int frozenPrefix = 0, bool drop = false) => new(
        new Term(1), Sample.Version(step - 1), Sample.Version(step), Sample.Commit(step), 1f, 0.1f, 0.05f, frozenPrefix, drop, new long[Layout.MoeLayerCount * 4])
    { WeightDecay = 0.1f };

    internal static void ContributeAll(ShardReplica replica, long step)
    {
        for (int rank = 0; rank < Ranks; rank++) Contribute(replica, step, rank);
    }

    internal static void Contribute(ShardReplica replica, long step, int rank) =>
        replica.Contribute(Sample.Version(step - 1), new RankRange(rank, rank + 1), Gradient(step, rank), marker: false);

    internal static async Task<int[]> ParametersAsync(ShardReplica replica, long step)
    {
        using var copy = new NativeBuffer(Shard.Length);
        await replica.CopyParametersAsync(Sample.Version(step), copy, 0, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));
        return Bits(copy.Span);
    }

    internal static int[] Bits(ReadOnlySpan<float> values) => [.. values.ToArray().Select(BitConverter.SingleToInt32Bits)];

    [Fact]
    public void A_contribution_of_another_history_is_refused_and_both_lineages_are_named()
    {
        using var replica = Replica();
        var foreign = new Lineage(new Step(0), Digest256.Of("another history"));
        var refusal = Assert.Throws<DataPlaneRefusedException>(() => replica.Contribute(foreign, new RankRange(0, 1), Gradient(1, 0), false));
        Assert.Contains(foreign.Digest.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.Contains(Sample.Version(0).Digest.ToString(), refusal.Message, StringComparison.Ordinal);
        Assert.Throws<DataPlaneRefusedException>(() => replica.Contribute(Sample.Version(2), new RankRange(0, 1), Gradient(1, 0), false));
    }

    [Fact]
    public async Task A_late_duplicate_of_an_applied_step_is_dropped_and_costs_no_memory()
    {
        using var replica = Replica();
        ContributeAll(replica, 1);
        replica.Apply(Decision(1));
        int[] before = await ParametersAsync(replica, 1);
        ContributeAll(replica, 1);
        Assert.Null(replica.Seal);
        Assert.Single(_seals);
        Assert.Equal(0, _pool.Outstanding);
        Assert.Equal(before, await ParametersAsync(replica, 1));
    }

    [Fact]
    public void The_last_rank_seals_the_step_once()
    {
        using var replica = Replica();
        for (int rank = 1; rank < Ranks; rank++) Contribute(replica, 1, rank);
        Assert.Null(replica.Seal);
        Contribute(replica, 1, 0);
        Contribute(replica, 1, 0);
        var seal = Assert.Single(_seals);
        Assert.Equal(seal, replica.Seal);
        Assert.Equal((Shard.Id, new ReplicaId(5), Sample.Version(0), true), (seal.Shard, seal.Replica, seal.Input, seal.Finite));
    }

    [Fact]
    public void A_different_gradient_of_the_same_rank_is_a_mismatch()
    {
        using var replica = Replica();
        Contribute(replica, 1, 3);
        float[] flipped = Gradient(1, 3);
        flipped[7] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(flipped[7]) ^ 1);
        Assert.Throws<ContributionMismatchException>(() => replica.Contribute(Sample.Version(0), new RankRange(3, 4), flipped, false));
    }

    [Fact]
    public void A_step_is_not_applied_before_it_is_sealed_nor_on_another_version()
    {
        using var replica = Replica();
        Contribute(replica, 1, 0);
        Assert.Contains("has not sealed step 1", Assert.Throws<InvalidOperationException>(() => replica.Apply(Decision(1))).Message, StringComparison.Ordinal);
        ContributeAll(replica, 1);
        Assert.Throws<InvalidOperationException>(() => replica.Apply(Decision(2)));
        replica.Apply(Decision(1));
        Assert.Equal(Sample.Version(1), replica.Applied);
        Assert.Throws<InvalidOperationException>(() => replica.Apply(Decision(1)));
    }

    [Fact]
    public async Task A_frozen_shard_moves_on_without_gradients_and_keeps_its_bits()
    {
        using var replica = Replica();
        ContributeAll(replica, 1);
        replica.Apply(Decision(1));
        int[] before = await ParametersAsync(replica, 1);
        replica.Apply(Decision(2, frozenPrefix: Shard.Layer + 1));
        var kept = replica.Snapshot(Sample.Version(2));
        Assert.Equal(before, Bits(kept.Parameters.Span));
        Assert.NotEqual(0f, kept.Moment1.Span[0]);
        replica.Apply(Decision(3, frozenPrefix: Shard.Layer + 1, drop: true));
        var dropped = replica.Snapshot(Sample.Version(3));
        Assert.Equal(before, Bits(dropped.Parameters.Span));
        Assert.False(dropped.Moment1.Span.ContainsAnyExcept(0f) || dropped.Moment2.Span.ContainsAnyExcept(0f));
        foreach (var buffer in new[] { kept.Parameters, kept.Moment1, kept.Moment2, dropped.Parameters, dropped.Moment1, dropped.Moment2 }) buffer.Dispose();
    }

    [Fact]
    public void A_snapshot_is_a_copy_of_exactly_the_version_asked_for()
    {
        using var replica = Replica();
        ContributeAll(replica, 1);
        replica.Apply(Decision(1));
        var (parameters, moment1, moment2) = replica.Snapshot(Sample.Version(1));
        int[] before = Bits(parameters.Span);
        ContributeAll(replica, 2);
        replica.Apply(Decision(2));
        Assert.Equal(before, Bits(parameters.Span));
        Assert.Throws<InvalidOperationException>(() => replica.Snapshot(Sample.Version(1)));
        parameters.Dispose();
        moment1.Dispose();
        moment2.Dispose();
    }

    [Fact]
    public async Task A_pull_waits_until_the_version_is_there()
    {
        using var replica = Replica();
        var pull = ParametersAsync(replica, 1);
        ContributeAll(replica, 1);
        Assert.False(pull.IsCompleted);
        replica.Apply(Decision(1));
        int[] pulled = await pull;
        Assert.Equal(await ParametersAsync(replica, 1), pulled);
    }

    [Fact]
    public async Task A_pull_of_a_version_that_will_never_come_is_refused_and_names_what_is_there()
    {
        using var replica = Replica();
        using var buffer = new NativeBuffer(Shard.Length);
        var foreign = new Lineage(new Step(0), Digest256.Of("another history"));
        var refusal = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => replica.CopyParametersAsync(foreign, buffer, 0, CancellationToken.None));
        Assert.Contains(Sample.Version(0).ToString(), refusal.Message, StringComparison.Ordinal);
        ContributeAll(replica, 1);
        replica.Apply(Decision(1));
        await Assert.ThrowsAsync<DataPlaneRefusedException>(() => replica.CopyParametersAsync(Sample.Version(0), buffer, 0, CancellationToken.None));
    }

    [Fact]
    public async Task A_waiting_pull_ends_when_the_replica_is_stopped_or_the_reader_gives_up()
    {
        using var buffer = new NativeBuffer(Shard.Length);
        var replica = Replica();
        using var patience = new CancellationTokenSource();
        var given = replica.CopyParametersAsync(Sample.Version(1), buffer, 0, patience.Token);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given.WaitAsync(TimeSpan.FromSeconds(30)));
        var waiting = replica.CopyParametersAsync(Sample.Version(1), buffer, 0, CancellationToken.None);
        replica.Dispose();
        await Assert.ThrowsAsync<DataPlaneRefusedException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Throws<DataPlaneRefusedException>(() => Contribute(replica, 1, 0));
    }

    [Fact]
    public void A_stopped_replica_gives_every_buffer_back()
    {
        var replica = Replica();
        for (int rank = 0; rank < Ranks; rank += 2) Contribute(replica, 1, rank);
        Assert.NotEqual(0, _pool.Outstanding);
        replica.Dispose();
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public void A_step_applied_while_its_last_contribution_is_still_under_way_gives_every_buffer_back()
    {
        ShardReplica replica = null!;
        using (replica = Replica(_ => replica.Apply(Decision(1)))) ContributeAll(replica, 1);
        Assert.Equal(Sample.Version(1), replica.Applied);
        Assert.Equal(0, _pool.Outstanding);
    }

    [Fact]
    public async Task Contributions_from_four_threads_at_once_give_the_bits_of_the_fold_and_leak_nothing()
    {
        const int steps = 30, threads = 4;
        int[] expected;
        using (var alone = Replica())
        {
            for (long step = 1; step <= steps; step++)
            {
                ContributeAll(alone, step);
                alone.Apply(Decision(step));
            }
            expected = await ParametersAsync(alone, steps);
        }
        var folded = _seals.ToDictionary(s => s.Input);
        _seals.Clear();
        using var shared = Replica();
        // Every thread sends every rank in an order of its own, and goes on sending while the step is applied.
        var sending = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(() =>
        {
            for (long step = 1; step <= steps; step++)
            {
                shared.CopyParametersAsync(Sample.Version(step - 1), Scratch(thread), 0, CancellationToken.None).ContinueWith(_ => { }, TaskScheduler.Default).Wait();
                var random = new Random((int)step + (thread * 100));
                foreach (int rank in Enumerable.Range(0, Ranks).OrderBy(_ => random.Next())) Contribute(shared, step, rank);
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        for (long step = 1; step <= steps; step++)
        {
            Assert.True(SpinWait.SpinUntil(() => shared.Seal is not null || sending.Any(t => t.IsFaulted), TimeSpan.FromSeconds(60)));
            Assert.Null(sending.FirstOrDefault(t => t.IsFaulted)?.Exception);
            shared.Apply(Decision(step));
        }
        await Task.WhenAll(sending).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(expected, await ParametersAsync(shared, steps));
        Assert.Equal(steps, _seals.Count);
        Assert.All(_seals, seal => Assert.Equal(folded[seal.Input], seal));
        Assert.Equal(0, _pool.Outstanding);
    }

    private readonly NativeBuffer[] _scratch = [.. Enumerable.Range(0, 4).Select(_ => new NativeBuffer(Shard.Length))];

    private NativeBuffer Scratch(int thread) => _scratch[thread];
}
