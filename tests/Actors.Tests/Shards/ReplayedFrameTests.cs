using System.Net;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Shards;

/// <summary>Frames recorded on one branch of a run's history, sent again over a real socket to shards that went on along another.</summary>
public sealed class ReplayedFrameTests : IAsyncDisposable
{
    private const int VirtualRanks = 2;
    private static readonly RunId Run = new(Guid.Parse("11111111-2222-3333-4444-555555555555"));
    private static readonly ParameterLayout Layout = ParameterLayout.Create(ModelConfig.Preset("tiny"));
    private static readonly ShardId Shard = new(1);
    private static readonly ReplicaId First = new(1), Second = new(2);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private static readonly Lineage Common = new(new Step(4), Digest256.Of("common"));
    private static readonly Lineage EarlierBranch = new(new Step(5), Digest256.Of("as it was before the rewind"));
    private static readonly Lineage PresentBranch = new(new Step(5), Digest256.Of("with a layer frozen"));

    private readonly BufferPool _pool = new();
    private readonly ReplicaDirectory _directory;
    private readonly DataPlaneServer _server;
    private readonly List<ShardReplica> _replicas = [];

    public ReplayedFrameTests()
    {
        _directory = new ReplicaDirectory(_pool);
        _server = new DataPlaneServer(new IPEndPoint(IPAddress.Loopback, 0), Run, _directory);
    }

    private static int Length => Layout.Shards[Shard.Value].Length;

    [Fact]
    public async Task A_frame_of_an_earlier_branch_is_refused_with_the_lineage_named_and_leaves_no_trace()
    {
        var recorded = await RecordStepSixOfTheEarlierBranchAsync(First);
        _directory.Remove(Shard, First);

        ShardReplica present = Start(First);
        await using var client = await ConnectAsync();
        await StepAsync(client, present, Common, PresentBranch, seed: 1);
        foreach (var frame in recorded)
        {
            var refused = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.ReplayAsync(frame).WaitAsync(Deadline));
            Assert.Contains($"{EarlierBranch.Step}:{EarlierBranch.Digest}", refused.Reason);
            Assert.Contains($"{PresentBranch.Step}:{PresentBranch.Digest}", refused.Reason);
        }
        Assert.Null(present.Seal);

        // The step's sum is made of its own contributions alone: the same as on a shard that never met the old frames.
        await ContributeAsync(client, First, PresentBranch, seed: 3);
        Assert.Equal(await SealOfAnUndisturbedShardAsync(), present.Seal!.GradientDigest);
    }

    [Fact]
    public async Task A_frame_for_a_replica_that_was_replaced_is_refused_with_the_lineage_named()
    {
        var recorded = await RecordStepSixOfTheEarlierBranchAsync(First);
        _directory.Remove(Shard, First);
        ShardReplica present = Start(Second);
        await using var client = await ConnectAsync();
        foreach (var frame in recorded)
        {
            var refused = await Assert.ThrowsAsync<DataPlaneRefusedException>(() => client.ReplayAsync(frame).WaitAsync(Deadline));
            Assert.Contains($"{Shard}~{First}", refused.Reason);
            Assert.Contains($"{EarlierBranch.Step}:{EarlierBranch.Digest}", refused.Reason);
        }
        Assert.Null(present.Seal);
    }

    [Fact]
    public async Task A_frame_of_a_step_already_applied_on_the_same_branch_is_dropped()
    {
        ShardReplica replica = Start(First);
        var recorder = new FrameRecorder();
        await using var client = await ConnectAsync(recorder);
        await StepAsync(client, replica, Common, PresentBranch, seed: 1);
        await using var other = await ConnectAsync();
        foreach (var frame in recorder.Frames.Where(f => f.Header.Kind == FrameKind.Contribution)) await other.ReplayAsync(frame).WaitAsync(Deadline);
        Assert.Equal(PresentBranch, replica.Applied);
        Assert.Null(replica.Seal);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        foreach (var replica in _replicas) replica.Dispose();
        _pool.Dispose();
    }

    private async Task<IReadOnlyList<RecordedFrame>> RecordStepSixOfTheEarlierBranchAsync(ReplicaId number)
    {
        ShardReplica earlier = Start(number);
        var recorder = new FrameRecorder();
        await using var client = await ConnectAsync(recorder);
        await StepAsync(client, earlier, Common, EarlierBranch, seed: 1);
        await ContributeAsync(client, number, EarlierBranch, seed: 2);
        Assert.NotNull(earlier.Seal);
        RecordedFrame[] frames = [.. recorder.Frames.Where(f => f.Header.Kind == FrameKind.Contribution && f.Header.Lineage == EarlierBranch)];
        Assert.Equal(VirtualRanks, frames.Length);
        return frames;
    }

    private async Task<UInt128> SealOfAnUndisturbedShardAsync()
    {
        ShardReplica replica = Start(Second);
        await using var client = await ConnectAsync();
        await StepAsync(client, replica, Common, PresentBranch, seed: 1);
        await ContributeAsync(client, Second, PresentBranch, seed: 3);
        return replica.Seal!.GradientDigest;
    }

    private ShardReplica Start(ReplicaId number)
    {
        var state = new ShardState(Layout, Shard, new OptimizerConstants(0.9f, 0.95f, 1e-8f, 0.001f));
        state.Initialize(7);
        var replica = new ShardReplica(state, number, Common, VirtualRanks, _pool, _ => { });
        _replicas.Add(replica);
        _directory.Add(replica, Length);
        return replica;
    }

    private Task<DataPlaneClient> ConnectAsync(FrameRecorder? recorder = null) =>
        DataPlaneClient.ConnectAsync(_server.Endpoint, Run, Deadline, new DataPlaneOptions { Recorder = recorder });

    private static async Task StepAsync(DataPlaneClient client, ShardReplica replica, Lineage input, Lineage output, int seed)
    {
        await ContributeAsync(client, replica.Replica, input, seed);
        var decision = new StepCommitted(output.Step, 0, 1, 1e-3f, 8, false, output.Step.Value, output.Digest);
        int experts = Layout.Config.NRoutedExperts * Layout.Config.NumHiddenLayers;
        replica.Apply(new ApplyStep(new Term(1), input, output, decision, 1, 0.1f, 0.05f, 0, false, new long[experts]));
    }

    private static async Task ContributeAsync(DataPlaneClient client, ReplicaId replica, Lineage input, int seed)
    {
        var random = new Random(seed);
        for (int rank = 0; rank < VirtualRanks; rank++)
        {
            using var gradient = new NativeBuffer(Length);
            for (int i = 0; i < Length; i++) gradient.Span[i] = random.NextSingle();
            await client.ContributeAsync(input, Shard, replica, new RankRange(rank, rank + 1), gradient, 0, Length).WaitAsync(Deadline);
        }
    }
}
