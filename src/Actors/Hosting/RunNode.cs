using System.Collections.Immutable;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Cluster.Sharding;
using Akka.Hosting;
using Akka.Serialization;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Freezing;
using ElasticTrain.Actors.Loading;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Serialization;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ElasticTrain.Actors.Hosting;

/// <summary>How one process takes part in a run.</summary>
/// <param name="Name">Its name, for people and for placement order.</param>
/// <param name="Cluster">Its address, its seeds (none: a cluster of its own) and overrides.</param>
/// <param name="Roles">coordinator, worker or both.</param>
/// <param name="Target">What this start aims at.</param>
/// <param name="Chaos">Faults injected on purpose.</param>
public sealed record NodeOptions(string Name, ClusterEnvironment Cluster, IReadOnlyList<string> Roles, RunTarget Target, ChaosSettings Chaos);

/// <summary>A running node: its actor system and everything in it, wired with Akka.Hosting; tuning is in HOCON.</summary>
public sealed class RunNode : IAsyncDisposable
{
    /// <summary>Role of nodes that may host the run's singleton.</summary>
    public const string CoordinatorRole = "coordinator";

    /// <summary>Role of nodes that host devices, shards and the checkpoint writer.</summary>
    public const string WorkerRole = "worker";

    private const string RegionType = "shard";

    private readonly IHost _host;
    private readonly ActorSystem _system;
    private readonly IActorRef _run;
    private readonly RunNotes _notes;
    private readonly TaskCompletionSource _up = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile RunEnded? _leaving;

    private RunNode(IHost host, ActorSystem system, NodeRuntime runtime, IActorRef run, RunNotes notes)
    {
        _host = host;
        _system = system;
        Runtime = runtime;
        _run = run;
        _notes = notes;
    }

    /// <summary>The node's shared parts.</summary>
    public NodeRuntime Runtime { get; }

    /// <summary>Completed when the run ends for this node.</summary>
    public Task<RunEnded> Ended => Runtime.Ended.Task;

    /// <summary>Completed when the node is up in a cluster: until then nobody can join through it.</summary>
    public Task Up => _up.Task;

    /// <summary>Why the journal does not answer this node's coordinator, if it hosts it; null otherwise.</summary>
    public string? JournalProblem => _notes.JournalProblem;

    /// <summary>Starts a node and joins the cluster.</summary>
    /// <param name="options">How it takes part.</param>
    /// <param name="definition">The run's constants.</param>
    /// <param name="journal">Where the journal is.</param>
    /// <param name="numericsClass">The node's golden probe.</param>
    /// <param name="ct">Ends the start.</param>
    public static async Task<RunNode> StartAsync(
        NodeOptions options, RunDefinition definition, JournalSettings journal, Digest256 numericsClass, CancellationToken ct)
    {
        var serializer = SerializationSetup.Create(system =>
            ImmutableHashSet.Create(SerializerDetails.Create("elastictrain", new MessageSerializer(system), Manifests.RegisteredTypes.ToImmutableHashSet())));
        string roles = string.Join(", ", options.Roles.Select(r => $"\"{r}\""));
        string seeds = string.Join(", ", options.Cluster.Seeds.Select(s => $"\"{s}\""));
        string own = $"{options.Cluster.RemoteHocon}\nakka.cluster.roles = [{roles}]\nakka.cluster.seed-nodes = [{seeds}]\n";
        var hostBuilder = new HostBuilder().ConfigureServices(services =>
        {
            services.AddSingleton<IHostLifetime, SilentLifetime>();
            services.AddAkka(options.Cluster.SystemName, builder =>
            {
                builder.AddSetup(serializer);
                builder.AddHocon(options.Cluster.Overrides + "\n" + own, HoconAddMode.Prepend);
                builder.AddHocon(journal.Hocon, HoconAddMode.Append);
                builder.AddHocon(journal.Ledger.Hocon, HoconAddMode.Append);
                builder.AddHocon(NodeDefaults.Hocon, HoconAddMode.Append);
                builder.AddHocon(ClusterDefaults.Hocon, HoconAddMode.Append);
            });
        });
        var host = hostBuilder.Build();
        await host.StartAsync(ct).ConfigureAwait(false);
        var system = host.Services.GetRequiredService<ActorSystem>();
        var cluster = Cluster.Get(system);
        var id = new NodeId(options.Name, cluster.SelfAddress.ToString(), cluster.SelfUniqueAddress.Uid);
        var runtime = new NodeRuntime(id, definition, numericsClass, System.Net.IPAddress.Parse(options.Cluster.Host), options.Chaos);
        var notes = new RunNotes();
        var run = StartActors(system, options, runtime, notes, new JournalReader(journal, definition.Run));
        if (options.Cluster.Seeds.Count == 0) await cluster.JoinAsync(cluster.SelfAddress, ct).ConfigureAwait(false);
        var node = new RunNode(host, system, runtime, run, notes);
        cluster.RegisterOnMemberUp(() => node._up.TrySetResult());
        cluster.RegisterOnMemberRemoved(() => node.LostCluster("was removed from the cluster"));
        _ = runtime.Drained.Task.ContinueWith(drained => node.Leave("drained", drained.Result ? RunEnded.Drained : RunEnded.Interrupted), TaskScheduler.Default);
        _ = system.WhenTerminated.ContinueWith(_ => node.LostCluster("could not join the cluster, or lost it"), TaskScheduler.Default);
        return node;
    }

    /// <summary>Asks the run how it is; null if no coordinator answers in time.</summary>
    public async Task<RunStatus?> StatusAsync(TimeSpan timeout)
    {
        try
        {
            return await _run.Ask<RunStatus>(new GetStatus(), timeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>Sends a command; null if no coordinator answers in time, in which case the same command may be sent again.</summary>
    public async Task<CommandAnswer?> SendAsync(IRunCommand command, TimeSpan timeout)
    {
        try
        {
            return await _run.Ask<CommandAnswer>(command, timeout).ConfigureAwait(false);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }

    /// <summary>Asks the run to seal its state and end.</summary>
    public void RequestStop(string reason) => _run.Tell(new StopRun(reason));

    /// <summary>Asks the run to move what is here to other nodes; then this one leaves. Asks again until a coordinator answers.</summary>
    public async Task DrainAsync(string reason)
    {
        var command = new DrainNode($"drain-{Runtime.Id}", $"{Runtime.Id.Name} ({reason})", Runtime.Id.Name, ForGood: false);
        while (!Ended.IsCompleted && await SendAsync(command, TimeSpan.FromSeconds(1)).ConfigureAwait(false) is not { Accepted: true })
            await Task.Delay(TimeSpan.FromMilliseconds(200)).ConfigureAwait(false);
    }

    /// <summary>Leaves the cluster, so that the run learns of it at once and goes on without this node.</summary>
    /// <param name="reason">For people.</param>
    /// <param name="exitCode">How the node ends.</param>
    public void Leave(string reason, int exitCode)
    {
        _leaving = new RunEnded(exitCode, $"{reason}: {Runtime.Id.Name} left the run");
        _run.Tell(new Resign());
        Cluster.Get(_system).Leave(Cluster.Get(_system).SelfAddress);
    }

    /// <summary>
    /// Ends the actor system without ceremony: whatever is not in the journal or in a sealed checkpoint may be lost. A node that the run refuses
    /// leaves the cluster first, as the others stay.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        Runtime.Parameters.Stop(); // or a device could not be ended
        bool othersStay = Ended is { IsCompletedSuccessfully: true, Result.ExitCode: RunEnded.Refused };
        Task ended = othersStay ? CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClusterLeavingReason.Instance) : _system.Terminate();
        await ended.WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(false);
        await Runtime.DisposeAsync().ConfigureAwait(false);
        _host.Dispose();
    }

    private void LostCluster(string how) => Runtime.Ended.TrySetResult(
        _leaving is { } left ? left : new RunEnded(RunEnded.Superseded, $"{Runtime.Id.Name} {how}"));

    private static IActorRef StartActors(ActorSystem system, NodeOptions options, NodeRuntime runtime, RunNotes notes, JournalReader journal)
    {
        var sharding = ClusterSharding.Get(system);
        var shardingSettings = ClusterShardingSettings.Create(system).WithRole(WorkerRole);
        bool isWorker = options.Roles.Contains(WorkerRole), isCoordinator = options.Roles.Contains(CoordinatorRole);
        var region = isWorker
            ? sharding.Start(
                RegionType, entityId => Props.Create(() => new ShardActor(runtime, entityId)).WithDispatcher("elastictrain.shard-dispatcher"),
                shardingSettings, new ReplicaMessageExtractor(), new PlacedAllocationStrategy(Cluster.Get(system).SelfAddress), PoisonPill.Instance)
            : sharding.StartProxy(RegionType, WorkerRole, new ReplicaMessageExtractor());
        Func<Term, NodeId?, bool, Props>? candidate = isCoordinator
            ? (known, lost, hasRivals) => Props.Create(() => new TrainingRun(runtime, options.Target, notes, region, known, lost, hasRivals))
            : null;
        var run = system.ActorOf(Props.Create(() => new Succession(runtime, notes, candidate)), Succession.Name);
        if (isCoordinator && runtime.Plan.Freeze.Policy != FreezePolicyKind.None)
            system.ActorOf(Props.Create(() => new FreezePolicy(runtime, run)), "freeze-policy");
        if (!isWorker) return run;
        runtime.CheckpointWriter = system.ActorOf(
            Props.Create(() => new CheckpointWriter(runtime.Definition.Checkpoints)).WithDispatcher("elastictrain.storage-dispatcher"), "checkpoint-writer");
        runtime.DataLoader = system.ActorOf(Props.Create(() => new DataLoader(runtime.Samples)).WithDispatcher("elastictrain.storage-dispatcher"), "data-loader");
        Func<GrantInterrupt, Props> device = interrupt =>
            Props.Create(() => new GpuActor(runtime, options.Chaos, interrupt)).WithDispatcher("elastictrain.device-dispatcher");
        var devices = Enumerable.Range(0, runtime.Plan.Device.Count)
            .Select(i => system.ActorOf(Props.Create(() => new DeviceFront(device)), $"device-{i}"))
            .ToList();
        int protocolVersion = options.Chaos.ProtocolVersion ?? NodeRuntime.ProtocolVersion;
        Func<Term, string?> journalProblem = isCoordinator ? term => journal.WhyNotThatOf(term)?.Message : _ => null;
        system.ActorOf(Props.Create(() => new NodeAgent(runtime, run, devices, protocolVersion, journalProblem)), "agent");
        return run;
    }

    /// <summary>The process decides about signals itself.</summary>
    private sealed class SilentLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
