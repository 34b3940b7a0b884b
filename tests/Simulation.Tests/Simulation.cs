using Akka.Actor;
using ElasticTrain.Actors.Decisions;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Checks;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.Processes;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests;

/// <summary>Something that must hold does not.</summary>
public sealed class SimulationFailure(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>What a schedule came to.</summary>
/// <param name="Time">Virtual time.</param>
/// <param name="Recovery">Virtual time from the end of the faults to the end of the run; zero where the run was faster.</param>
/// <param name="Events">Events run.</param>
/// <param name="Messages">Control messages between processes.</param>
/// <param name="Strikes">Faults that struck.</param>
/// <param name="Terms">Terms.</param>
/// <param name="Placements">Times that all replicas were made anew.</param>
/// <param name="Corruptions">Computations that audits have outvoted.</param>
/// <param name="WasBlind">Whether a corrupt device was alone with a step: the schedule ended there.</param>
/// <param name="HasHalted">Whether the run halted, as it may after a flipped bit.</param>
public sealed record Outcome(TimeSpan Time, TimeSpan Recovery, long Events, long Messages, int Strikes, long Terms, int Placements, int Corruptions, bool WasBlind, bool HasHalted);

/// <summary>One schedule: a small cluster, its journal and its disk in virtual time, on one thread, from one seed.</summary>
public sealed class Simulation : IDisposable
{
    /// <summary>After the last fault the run ends within this, or the schedule has failed.</summary>
    public static readonly TimeSpan LivenessBound = TimeSpan.FromMinutes(5);

    private readonly List<SimProcess> _everyone = [];
    private readonly Dictionary<string, SimProcess> _endpoints = [];
    private int _number;
    private bool _hasEnded;

    /// <summary>Before the first event.</summary>
    /// <param name="scenario">What the seed has decided.</param>
    /// <param name="trace">Takes a line for everything that happens; null for none.</param>
    /// <param name="sabotage">A rule that is broken on purpose.</param>
    public Simulation(Scenario scenario, Action<string>? trace = null, Sabotage sabotage = Sabotage.None)
    {
        (Scenario, Sabotage) = (scenario, sabotage);
        Random = new SimRandom(SimRandom.Hash(scenario.Seed, 2));
        if (trace is not null) Trace = line => trace($"{Scheduler.Now:mm\\:ss\\.ffffff} {line}");
        var planHash = Digest256.Of("plan");
        var numerics = Digest256.Of("class");
        Facts = new RunFacts(
            new SimRandom(scenario.Seed).Run(), scenario.Plan, scenario.Layout, scenario.VirtualRanks, planHash, numerics,
            Lineages.Initial(planHash, Digest256.Of("initial"), numerics).Digest, (_, step) => Arithmetic.Tokens(step, 0, scenario.VirtualRanks),
            (_, _) => scenario.Plan);
        Target = new RunTarget(scenario.Steps, scenario.Plan.Elastic.MinWorkers, scenario.Nodes);
        Time = new VirtualTime(Scheduler);
        (Network, Data, Journal, Storage) = (new SimNetwork(this), new SimDataPlane(this), new SimJournal(this), new SimStorage(this));
        (Cluster, Injector, Oracle) = (new SimCluster(this), new FaultInjector(this), new Oracle(scenario, Facts.Initial));
        Operator = new SimOperator(this);
    }

    /// <summary>What the seed has decided.</summary>
    public Scenario Scenario { get; }

    /// <summary>A rule that is broken on purpose.</summary>
    public Sabotage Sabotage { get; }

    /// <summary>The run.</summary>
    public RunFacts Facts { get; }

    /// <summary>What it aims at.</summary>
    public RunTarget Target { get; }

    /// <summary>All chance.</summary>
    public SimRandom Random { get; }

    /// <summary>All events.</summary>
    public Scheduler Scheduler { get; } = new();

    /// <summary>The clock for classes that take one.</summary>
    public VirtualTime Time { get; }

    /// <summary>Takes what happens; null without a trace.</summary>
    public Action<string>? Trace { get; }

    /// <summary>Reusable buffers.</summary>
    public BufferPool Pool { get; } = new();

    /// <summary>The control plane.</summary>
    public SimNetwork Network { get; }

    /// <summary>The data plane.</summary>
    public SimDataPlane Data { get; }

    /// <summary>Its requests that are under way.</summary>
    public HashSet<Exchange> Exchanges { get; } = [];

    /// <summary>The journal.</summary>
    public SimJournal Journal { get; }

    /// <summary>The checkpoints.</summary>
    public SimStorage Storage { get; }

    /// <summary>Membership.</summary>
    public SimCluster Cluster { get; }

    /// <summary>The faults.</summary>
    public FaultInjector Injector { get; }

    /// <summary>The operator.</summary>
    public SimOperator Operator { get; }

    /// <summary>What must hold.</summary>
    public Oracle Oracle { get; }

    /// <summary>The processes that run.</summary>
    public IEnumerable<SimProcess> Processes => _everyone.Where(p => p.IsAlive);

    /// <summary>Whether a corrupt device was alone with a step, so that wrong bits were decided: the schedule ends there, and has shown nothing.</summary>
    public bool WasBlind { get; set; }

    /// <summary>A number that nobody else has.</summary>
    public int NextNumber() => ++_number;

    /// <summary>Whether a message is worth a line.</summary>
    public bool IsTracing(object message) => Trace is not null && message is not (SimHeartbeat or WorkerHello);

    /// <summary>The process of a node's life; null if it is over.</summary>
    public SimProcess? ProcessOf(NodeId node) => _everyone.Find(p => p.Id == node && p.IsAlive);

    /// <summary>The process, alive or not, whose tensor server has an address.</summary>
    public SimProcess? ProcessAt(string endpoint) => _endpoints.GetValueOrDefault(endpoint);

    /// <summary>The machine that a node's process was started on.</summary>
    public int SlotOf(NodeId node) => _everyone.First(p => p.Id == node).Slot;

    /// <summary>The replica behind an address; null if it has ended.</summary>
    public SimReplica? FindReplica(IActorRef actor) => actor is SimRef { Process: { IsAlive: true } process } ? process.Serving.FirstOrDefault(r => r.Ref.Equals(actor)) : null;

    /// <summary>A placed replica that serves; null if it does not.</summary>
    public SimReplica? FindServing(ReplicaPlacement placement) =>
        ProcessOf(placement.Node)?.Serving.FirstOrDefault(r => r.EntityId.Shard == placement.Shard && r.EntityId.Replica == placement.Replica);

    /// <summary>Runs the schedule to its end.</summary>
    /// <exception cref="SimulationFailure">Something that must hold does not.</exception>
    public Outcome Run()
    {
        Cluster.Start();
        for (int slot = 0; slot < Scenario.Nodes; slot++) Launch(slot);
        Injector.Start();
        var deadline = Scenario.Faults.Until + LivenessBound;
        while (!_hasEnded && !Oracle.HasHalted && !WasBlind)
        {
            if (!Scheduler.Step()) throw new SimulationFailure("nothing happens any more");
            if (Scheduler.Now > deadline) throw new SimulationFailure($"the run has not ended {LivenessBound.TotalMinutes} minutes after the last fault: {Describe()}");
        }
        if (!WasBlind) Oracle.OnEnd();
        var recovery = Scheduler.Now - Scenario.Faults.Until;
        return new Outcome(
            Scheduler.Now, recovery > TimeSpan.Zero ? recovery : TimeSpan.Zero, Scheduler.Count, Network.Count, Injector.Strikes,
            Oracle.State.Coordinator?.Term.Value ?? 0, Journal.Events.OfType<ReplicasPlaced>().Count(), Journal.Events.OfType<CorruptionSuspected>().Count(), WasBlind, Oracle.HasHalted);
    }

    /// <summary>A process is gone; its machine starts another one soon.</summary>
    public void Kill(SimProcess process)
    {
        if (!process.IsAlive) return;
        Trace?.Invoke($"{process.Label} is gone");
        process.Kill();
        Storage.OnKilled(process);
        Data.Reset(process, isDead: true);
        Scheduler.After(Injector.IsOver ? Random.Milliseconds(500, 1000) : Random.Milliseconds(300, 6000), () => Launch(process.Slot));
    }

    /// <summary>A process was told that the run has ended.</summary>
    public void OnProcessEnded(SimProcess process, RunEnded end)
    {
        if (end.ExitCode == RunEnded.Refused) throw new SimulationFailure($"{process.Label} was refused: {end.Message}");
        // A disk that takes nothing may end a run, a message that is lost may not.
        if (end.ExitCode == 1 && !end.Message.Contains("the disk is full", StringComparison.Ordinal)) throw new SimulationFailure($"the run failed: {end.Message}");
        if (end.ExitCode == 0) _hasEnded = true;
        else Kill(process);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var process in _everyone) process.Kill();
        Oracle.Dispose();
        Pool.Dispose();
    }

    private void Launch(int slot)
    {
        var process = new SimProcess(this, slot, 100 + NextNumber());
        Trace?.Invoke($"{process.Label} starts");
        _everyone.Add(process);
        _endpoints.Add(process.DataPlane, process);
        Cluster.Join(process);
        process.Start();
    }

    private string Describe() => string.Join("; ", Processes.Select(p =>
        $"{p.Label} knows {p.Succession.Coordinator?.ToString() ?? "nobody"}{(p.Succession.Candidate is { } c ? $" and coordinates ({c.Describe()})" : "")}"));
}
