using System.Collections.Concurrent;
using Akka.Actor;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Loading;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>What all actors of one node share: the run's constants, the node's tensors and its connections.</summary>
public sealed class NodeRuntime : IAsyncDisposable
{
    /// <summary>Version of the messages and frames between nodes.</summary>
    public const int ProtocolVersion = 2;

    private readonly DataPlaneServer _server;

    /// <summary>Opens the tensor server and the node's buffers.</summary>
    /// <param name="id">The node.</param>
    /// <param name="run">What it runs.</param>
    /// <param name="numericsClass">Its golden probe.</param>
    /// <param name="bindAddress">IP address that the tensor server listens on.</param>
    /// <param name="chaos">Faults injected on purpose; null for none.</param>
    /// <exception cref="BadInputException">The plan's device.memory cannot be kept.</exception>
    public NodeRuntime(NodeId id, RunDefinition run, Digest256 numericsClass, System.Net.IPAddress bindAddress, ChaosSettings? chaos = null)
    {
        var memory = DeviceMemory.Of(run.Plan, run.Layout);
        memory?.Require("device.memory");
        Id = id;
        Definition = run;
        NumericsClass = numericsClass;
        Replicas = new ReplicaDirectory(Pool);
        _server = new DataPlaneServer(new System.Net.IPEndPoint(bindAddress, 0), run.Run, Replicas);
        DataPlane = _server.Endpoint.ToString();
        Peers = new PeerConnections(run.Run, chaos?.LinksOf(id.Name, _server.Endpoint));
        var puller = new ShardPuller(DataPlane, Replicas, Peers, run.Plan.Elastic.SuspectAfter);
        Parameters = memory is { IsStreamed: true }
            ? new StreamedParameters(run.Layout, puller, memory.NodeWindow)
            : new NodeParameters(run.Layout, puller);
    }

    /// <summary>The node.</summary>
    public NodeId Id { get; }

    /// <summary>The run's constants.</summary>
    public RunDefinition Definition { get; }

    /// <summary>The run.</summary>
    public RunId Run => Definition.Run;

    /// <summary>The plan.</summary>
    public Plan Plan => Definition.Plan;

    /// <summary>Parameters and shards.</summary>
    public ParameterLayout Layout => Definition.Layout;

    /// <summary>V.</summary>
    public int VirtualRanks => Definition.Geometry.VirtualRanks;

    /// <summary>Golden-probe hash.</summary>
    public Digest256 NumericsClass { get; }

    /// <summary>Endpoint of this node's tensor server, host:port.</summary>
    public string DataPlane { get; }

    /// <summary>Reusable native buffers.</summary>
    public BufferPool Pool { get; } = new();

    /// <summary>Replicas that live here, as the tensor server sees them.</summary>
    public ReplicaDirectory Replicas { get; }

    /// <summary>Replicas that live here, as the coordinator is told.</summary>
    public ConcurrentDictionary<(ShardId Shard, ReplicaId Replica), (Func<Lineage> Applied, IActorRef Actor)> HeldReplicas { get; } = new();

    /// <summary>The parameters that this node's devices compute on.</summary>
    public INodeParameters Parameters { get; }

    /// <summary>Connections to other nodes' tensor servers.</summary>
    public PeerConnections Peers { get; }

    /// <summary>Where the time of steps goes.</summary>
    public StepClock Clock { get; } = new();

    /// <summary>Samples read ahead.</summary>
    public SampleCache Samples { get; } = new();

    /// <summary>The node's data loader.</summary>
    public IActorRef DataLoader { get; set; } = ActorRefs.Nobody;

    /// <summary>The node's checkpoint writer.</summary>
    public IActorRef CheckpointWriter { get; set; } = ActorRefs.Nobody;

    /// <summary>Completed when nothing of the run is left here, after the node was told to go: whether for good.</summary>
    public TaskCompletionSource<bool> Drained { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completed when the run ends for this node.</summary>
    public TaskCompletionSource<RunEnded> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes a shard's tensors from the seed or from a checkpoint's blob.</summary>
    /// <exception cref="CorruptionException">The blob's bytes are not what its hash says.</exception>
    public ShardState LoadShard(ShardId shard, ReplicaSource source)
    {
        var state = new ShardState(Layout, shard, Definition.Optimizer);
        try
        {
            if (source.Blob is { } hash) state.Load(Definition.Checkpoints, new BlobReference(shard, hash, source.BlobBytes));
            else state.Initialize(Plan.Seed);
            return state;
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Makes a shard's tensors from those of a living replica, which goes on meanwhile.</summary>
    /// <returns>The tensors and the version that they are of.</returns>
    /// <exception cref="DataPlaneRefusedException">The replica does not live there.</exception>
    /// <exception cref="DataPlaneConnectionException">Its node cannot be reached.</exception>
    public async Task<(ShardState State, Lineage Version)> CopyShardAsync(ShardId shard, SiblingSource sibling, CancellationToken ct)
    {
        var state = new ShardState(Layout, shard, Definition.Optimizer);
        try
        {
            await using var client = await Peers.OpenAsync(sibling.DataPlane, ct).ConfigureAwait(false);
            // An answer that is arriving cannot be withdrawn, but its connection can be closed.
            using var closing = ct.UnsafeRegister(static peer => _ = ((DataPlaneClient)peer!).DisposeAsync().AsTask(), client);
            int length = state.Info.Length;
            using var copy = new NativeBuffer(3L * length);
            var (version, received) = await client.PullStateAsync(shard, sibling.Replica, copy, ct).ConfigureAwait(false);
            state.Load(copy.Slice(0, (int)received));
            return (state, version);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync().ConfigureAwait(false);
        await Peers.DisposeAsync().ConfigureAwait(false);
        Pool.Dispose();
    }
}
