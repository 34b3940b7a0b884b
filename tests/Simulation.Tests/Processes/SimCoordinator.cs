using Akka.Actor;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>The world of one <see cref="Coordinator"/>: what the actor <see cref="TrainingRun"/> is to it in the product.</summary>
public sealed class SimCoordinator : ICoordinatorHost
{
    private readonly SimProcess _process;
    private readonly SimSuccession _succession;
    private readonly NodeId? _lost;
    private readonly bool _isUsurper;
    private readonly Dictionary<string, object> _timers = [];
    private readonly List<(IRunEvent Event, Action Durable)> _unwritten = [];
    private Coordinator? _coordinator;
    private bool _isWriting;

    /// <summary>Before it has read the journal.</summary>
    public SimCoordinator(SimProcess process, SimSuccession succession, NodeId? lost, bool isUsurper)
    {
        (_process, _succession, _lost, _isUsurper) = (process, succession, lost, isUsurper);
        Number = process.Sim.NextNumber();
        Ref = new SimRef(process, $"coordinator-{Number}", OnMessage);
    }

    /// <summary>Tells coordinators apart.</summary>
    public int Number { get; }

    /// <summary>Its address.</summary>
    public SimRef Ref { get; }

    /// <summary>Its process.</summary>
    public SimProcess Process => _process;

    /// <summary>Its term; 0 before office.</summary>
    public Term Term => _coordinator?.Term ?? default;

    /// <summary>Whether it goes on.</summary>
    public bool IsRunning { get; private set; } = true;

    /// <summary>How it is, for people.</summary>
    public string Describe()
    {
        if (_coordinator is not { } coordinator) return "reads the journal";
        RunStatus? status = null;
        _onTell = m => status = m as RunStatus;
        coordinator.Receive(new GetStatus(), Ref);
        _onTell = null;
        return $"term {coordinator.Term}, {status?.State}: {status?.Detail}";
    }

    private Action<object>? _onTell;

    /// <inheritdoc/>
    public DateTime UtcNow => Sim.Scheduler.UtcNow;

    /// <inheritdoc/>
    public IActorRef Self => Ref;

    /// <inheritdoc/>
    public NodeId Node => _process.Id;

    /// <inheritdoc/>
    public int Pid => _process.Id.Uid;

    /// <inheritdoc/>
    public IActorRef CheckpointWriter => _process.Writer.Ref;

    /// <inheritdoc/>
    public long JournalLength { get; private set; }

    /// <inheritdoc/>
    public bool HasJournaled => Sim.Journal.IsMarked;

    /// <inheritdoc/>
    public RunNotes Notes { get; } = new();

    /// <inheritdoc/>
    public StepClock Clock { get; } = new();

    private Simulation Sim => _process.Sim;

    /// <summary>Reads the journal, then takes office.</summary>
    public void Start()
    {
        _process.Post(Sim.Journal.Latency(), () =>
        {
            if (!IsRunning) return;
            var state = Sim.Journal.Read(Sim.Random, out int length);
            JournalLength = length;
            if (!_isUsurper && state.Coordinator is { } last && last.Term.Value > _succession.Known.Value && (last.Node != Node.Name || last.Pid != Pid))
            {
                _succession.OnTermSeen(last.Term);
                Stop();
                return;
            }
            _coordinator = new Coordinator(this, Sim.Facts, Sim.Target, state, _lost);
            Sim.Trace?.Invoke($"{Ref} takes office after {length} events");
            _coordinator.Start();
            _process.Every(Coordinator.TickInterval, () =>
            {
                if (!IsRunning) return false;
                _coordinator.Tick();
                if (_coordinator.IsInOffice) TookOffice(_coordinator.Term);
                return true;
            });
        });
    }

    /// <summary>It is over; what it has given to the journal may still be written.</summary>
    public void Stop()
    {
        if (!IsRunning) return;
        Drop();
        _succession.OnCandidateEnded(this);
    }

    /// <summary>It is gone with its process.</summary>
    public void Drop() => IsRunning = false;

    /// <summary>The cluster's news.</summary>
    public void OnMembership(NodeId node, MembershipChange? change)
    {
        if (IsRunning && change is { } what) _coordinator?.Receive(new MembershipChanged(node.Address, node.Uid, what), Ref);
    }

    /// <summary>The connection to a node's tensor server is there, or gone.</summary>
    public void OnLink(NodeId node, bool isUp)
    {
        if (IsRunning) _coordinator?.Receive(isUp ? new LinkUp(node) : new LinkLost(node, "reset"), Ref);
    }

    /// <summary>A node refuses connections.</summary>
    public void OnGone(NodeId node)
    {
        if (IsRunning) _coordinator?.Receive(new NodeGone(node), Ref);
    }

    /// <inheritdoc/>
    public void Tell(IActorRef to, object message)
    {
        if (_onTell is { } spy)
        {
            spy(message);
            return;
        }
        if (message is ApplyStep apply)
        {
            if (Sim.Injector.WasAlone(apply.Attempt)) Sim.WasBlind = true;
            else Sim.Oracle.OnDecision(apply, this);
        }
        Sim.Network.Send(_process, to, message, Ref);
    }

    /// <inheritdoc/>
    public void TellEntity(ReplicaPlacement placement, object message) => Sim.Network.SendToEntity(_process, placement, message, Ref);

    /// <inheritdoc/>
    public void Record(IRunEvent @event, Action durable)
    {
        _unwritten.Add((@event, durable));
        Write();
    }

    /// <inheritdoc/>
    public void MarkJournaled() => Sim.Journal.IsMarked = true;

    /// <inheritdoc/>
    public void After(TimeSpan time, string key, object message)
    {
        object token = _timers[key] = new object();
        _process.Post(time, () =>
        {
            if (IsRunning && _timers.GetValueOrDefault(key) == token) _coordinator!.Receive(message, Ref);
        });
    }

    /// <inheritdoc/>
    public bool IsMember(NodeId node) => _process.IsMember(node);

    /// <inheritdoc/>
    public bool MayBeAlive(NodeId node) => _process.IsMember(node);

    /// <inheritdoc/>
    public void WatchLink(NodeId node, string dataPlane)
    {
        if (node != _process.Id) Sim.Data.Watch(this, node, dataPlane);
    }

    /// <inheritdoc/>
    public void Probe(NodeId node)
    {
        if (node != _process.Id) Sim.Data.Probe(this, node);
    }

    /// <inheritdoc/>
    public void FindStartPoint(int attempt, IReadOnlySet<Lineage> versions) =>
        _process.Post(Sim.Random.Milliseconds(1, 50), () =>
        {
            if (!IsRunning) return;
            var (newest, problems) = Sim.Storage.NewestThatVerifies(Sim.Facts.PlanHash, versions);
            _coordinator!.Receive(new StartPoint(attempt, newest, problems, [.. versions.Where(v => newest is null || v.Step > newest.Step)]), Ref);
        });

    /// <inheritdoc/>
    public void SaveSnapshot(RunSnapshot snapshot)
    {
    }

    /// <inheritdoc/>
    public void Decided(ElasticTrain.Actors.Freezing.StepDecided step)
    {
    }

    /// <inheritdoc/>
    public void EndProcess(RunEnded end)
    {
        // A worker's agent ends its node when it is told; what is refused ends at once.
        if (end.ExitCode == RunEnded.Refused) throw new SimulationFailure($"{Ref} refuses the run: {end.Message}");
    }

    /// <inheritdoc/>
    public void TookOffice(Term term)
    {
        var heartbeat = new SimHeartbeat(term, Node, Ref);
        foreach (var process in Sim.Processes.Where(p => _process.IsMember(p.Id))) Sim.Network.Send(_process, process.Succession.Ref, heartbeat, Ref);
    }

    /// <inheritdoc/>
    public void StepDown(Term newer)
    {
        Sim.Trace?.Invoke($"{Ref} steps down before term {newer}");
        _succession.OnTermSeen(newer);
        Stop();
    }

    private void OnMessage(object message, IActorRef sender)
    {
        if (IsRunning) _coordinator?.Receive(message, sender);
    }

    /// <summary>Gives what has gathered to the journal as one batch; one batch at a time, as the actor does.</summary>
    private void Write()
    {
        if (_isWriting || !IsRunning || _unwritten.Count == 0) return;
        _isWriting = true;
        var batch = _unwritten.ToList();
        _unwritten.Clear();
        Sim.Journal.Write(this, JournalLength, [.. batch.Select(e => e.Event)], succeeded => _process.Post(Sim.Journal.Latency(), () =>
        {
            _isWriting = false;
            if (!IsRunning) return;
            if (!succeeded)
            {
                Sim.Trace?.Invoke($"{Ref} cannot write to the journal");
                Stop();
                return;
            }
            JournalLength += batch.Count;
            foreach (var (_, durable) in batch)
            {
                if (!IsRunning) return;
                durable();
            }
            Write();
        }));
    }
}
