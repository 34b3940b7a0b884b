using Akka.Actor;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>
/// Who coordinates, as one process sees it. The timing is the product's in outline only, and worse: besides on silence and on broken connections, any
/// process takes office whenever the faults say so.
/// </summary>
public sealed class SimSuccession
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    private readonly SimProcess _process;
    private readonly TimeSpan _silence;
    private (Term Term, NodeId Node, SimRef Coordinator)? _current;
    private TimeSpan _heardAt, _notBefore;
    private NodeId? _lost;

    /// <summary>One per process.</summary>
    public SimSuccession(SimProcess process)
    {
        _process = process;
        _silence = 2 * process.Sim.Scenario.Plan.Elastic.SuspectAfter;
        Ref = new SimRef(process, "run", OnMessage);
    }

    /// <summary>Its address.</summary>
    public SimRef Ref { get; }

    /// <summary>The coordinator that this process knows; null while it knows none.</summary>
    public SimRef? Coordinator => _current?.Coordinator;

    /// <summary>The highest term that it has heard of.</summary>
    public Term Known { get; private set; }

    /// <summary>This process's own coordinator, in office or on its way there.</summary>
    public SimCoordinator? Candidate { get; private set; }

    /// <summary>Begins to look.</summary>
    public void Start()
    {
        _heardAt = _process.Sim.Scheduler.Now;
        _notBefore = _heardAt + TimeSpan.FromMilliseconds(300);
        _process.Every(LookInterval, () =>
        {
            Look();
            return true;
        });
    }

    /// <summary>Takes office now, whoever holds it.</summary>
    public void TakeOffice(bool isUsurper)
    {
        if (Candidate is not null) return;
        Candidate = new SimCoordinator(_process, this, _lost, isUsurper);
        Candidate.Start();
    }

    /// <summary>The connection to a node has broken; if it was the coordinator's, its place may be vacant.</summary>
    public void OnLinkBroken(NodeId node, bool isDead)
    {
        if (_current is not { } current || current.Node != node || node == _process.Id) return;
        _current = null;
        if (isDead) _lost = node;
        _notBefore = _process.Sim.Scheduler.Now + (_process.Slot * _process.Sim.Random.Milliseconds(0, 500));
    }

    /// <summary>A higher term was seen somewhere: its holder is given time to be heard.</summary>
    public void OnTermSeen(Term term)
    {
        if (term.Value > Known.Value) Known = term;
        if (_current is { } current && current.Term.Value < term.Value) _current = null;
        _notBefore = _process.Sim.Scheduler.Now + _silence;
    }

    /// <summary>The own coordinator is over.</summary>
    public void OnCandidateEnded(SimCoordinator candidate)
    {
        if (Candidate != candidate) return;
        Candidate = null;
        if (_current?.Node == _process.Id) _current = null;
        var retry = _process.Sim.Scheduler.Now + _process.Sim.Random.Milliseconds(300, 2000);
        if (retry > _notBefore) _notBefore = retry;
    }

    private void OnMessage(object message, IActorRef sender)
    {
        if (message is not SimHeartbeat heartbeat) return;
        if (heartbeat.Term.Value < Known.Value) return;
        _heardAt = _process.Sim.Scheduler.Now;
        if (_current is { } current && current.Term == heartbeat.Term) return;
        _current = (heartbeat.Term, heartbeat.Node, heartbeat.Coordinator);
        Known = heartbeat.Term;
        _lost = null;
        if (Candidate is { } own && heartbeat.Node != _process.Id) own.Stop();
        _process.Hello();
    }

    private void Look()
    {
        var now = _process.Sim.Scheduler.Now;
        if (Candidate is not null || !_process.IsMember(_process.Id)) return;
        if (_current is not null)
        {
            if (now - _heardAt < _silence) return;
            _current = null;
            _notBefore = now + (_process.Slot * TimeSpan.FromMilliseconds(500));
        }
        if (now >= _notBefore) TakeOffice(isUsurper: false);
    }
}

/// <summary>The coordinator of a term is there.</summary>
/// <param name="Term">Its term.</param>
/// <param name="Node">Its node.</param>
/// <param name="Coordinator">Its address.</param>
public sealed record SimHeartbeat(Term Term, NodeId Node, SimRef Coordinator);
