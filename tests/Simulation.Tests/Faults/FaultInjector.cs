using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.Faults;

/// <summary>Lets the faults of a plan strike, and heals everything at its end.</summary>
public sealed class FaultInjector(Simulation sim)
{
    private FaultPlan Plan => sim.Scenario.Faults;

    private SimRandom Random => sim.Random;

    private readonly Dictionary<(Attempt Attempt, int Rank), HashSet<(int Slot, int Device)>> _computedBy = [];
    private readonly HashSet<(Attempt Attempt, int Rank)> _wrong = [];
    private int _contributionsBeforeFlip, _changes;
    private TimeSpan _changedAt;

    /// <summary>Whether no more faults come.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Strikes so far.</summary>
    public int Strikes { get; private set; }

    /// <summary>Begins.</summary>
    public void Start()
    {
        (sim.Network.Loss, sim.Network.Repeat, sim.Network.Late, sim.Network.Reorder) = (Plan.ControlLoss, Plan.ControlRepeat, Plan.ControlLate, Plan.Reorder);
        (sim.Data.Cuts, sim.Data.Repeat, sim.Data.Late) = (Plan.DataCut, Plan.DataRepeat, Plan.DataLate);
        (sim.Storage.Failure, sim.Storage.Tear, sim.Storage.Lie) = (Plan.DiskFailure, Plan.DiskTear, Plan.DiskLie);
        _contributionsBeforeFlip = Random.Next(1, 200);
        sim.Scheduler.After(Plan.Until, Heal);
        if (Plan.Kinds.Count > 0) Next();
        if (Plan.Flip is FlipKind.Moments or FlipKind.Parameters) sim.Scheduler.Every(TimeSpan.FromMilliseconds(17), () => !TryFlip());
    }

    /// <summary>A contribution is on its way to a replica.</summary>
    public void OnContribution(GrantRanks grant, ShardRoute route, float[] values)
    {
        if (Plan.Flip != FlipKind.Contribution || sim.Oracle.Flipped is not null || route.IsObserver || grant.Input.Step.Value > sim.Scenario.Steps - 3) return;
        if (grant.Routes.Count(r => r.Shard == route.Shard && !r.IsObserver) < 2 || --_contributionsBeforeFlip > 0) return;
        // The largest number: of a small one the sum may round the bit away.
        int index = Array.FindIndex(values, v => MathF.Abs(v) == values.Max(MathF.Abs));
        values[index] = Flip(values[index] == 0 ? 1 : values[index]);
        sim.Trace?.Invoke($"fault: a bit is flipped in a contribution of step {grant.Input.Step.Next} to {route.Shard}~{route.Replica}");
        sim.Oracle.Flipped = (route.Shard, route.Replica);
    }

    /// <summary>Whether a device never comes to the end of a step's ranks.</summary>
    public bool Hangs(SimProcess process, int device, Step step) => Plan.Hang is { } hang && hang.Slot == process.Slot && device == 0 && step.Value >= hang.From;

    /// <summary>A device has computed a rank's gradient.</summary>
    public void OnComputed(SimProcess process, int device, GrantRanks grant, int rank, Span<float> gradient)
    {
        var step = grant.Input.Step.Next;
        if (Plan.Corruption is not null && grant.Audited.Contains(rank))
        {
            if (!_computedBy.TryGetValue((grant.Attempt, rank), out var by)) _computedBy.Add((grant.Attempt, rank), by = []);
            by.Add((process.Slot, device));
        }
        if (Plan.Corruption is not { } corruption || corruption.Slot != process.Slot || device != 0 || step.Value < corruption.From || step.Value >= corruption.To) return;
        var random = corruption.IsErratic ? Random : new SimRandom(SimRandom.Hash(sim.Scenario.Seed, 10, (ulong)step.Value, (ulong)rank));
        if (!random.Chance(corruption.Share)) return;
        ref float value = ref gradient[random.Next(0, gradient.Length)];
        value = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value == 0 ? 1 : value) ^ (1u << random.Next(18, 23)));
        sim.Trace?.Invoke($"fault: {process.Label} computes rank {rank} of step {step} wrongly");
        sim.Oracle.CorruptNode = process.Id.Name;
        _wrong.Add((grant.Attempt, rank));
    }

    /// <summary>Whether a rank of an attempt was computed wrongly and nobody else was there to audit it: then the run has audited itself.</summary>
    public bool WasAlone(Attempt attempt) => _wrong.Any(w => w.Attempt == attempt && _computedBy.TryGetValue(w, out var by) && by.Count == 1);

    private void Next()
    {
        double wait = -Math.Log(1 - Random.Unit()) * Plan.MeanInterval.TotalMilliseconds;
        sim.Scheduler.After(TimeSpan.FromMilliseconds(wait), () =>
        {
            if (IsOver) return;
            var kind = Random.Of(Plan.Kinds);
            Strikes++;
            sim.Trace?.Invoke($"fault: {kind}");
            Strike(kind);
            Next();
        });
    }

    private void Strike(FaultKind kind)
    {
        var living = sim.Processes.ToList();
        var victim = living.Count > 0 ? Random.Of(living) : null;
        switch (kind)
        {
            case FaultKind.SlowJournal: sim.Journal.SlowDown(Random.Milliseconds(100, 5000)); break;
            case FaultKind.JournalFailure: sim.Journal.Failures++; break;
            case FaultKind.JournalGhost: sim.Journal.Ghosts++; break;
            case FaultKind.BlobRot: sim.Storage.Rot(); break;
            case FaultKind.BlobLoss: sim.Storage.Lose(); break;
            case FaultKind.Partition: Partition(); break;
            case FaultKind.OneWayCut: OneWayCut(); break;
            case FaultKind.Command: sim.Operator.Ask(); break;
            case FaultKind.CrashMany:
                foreach (var process in living.Where(_ => Random.Chance(0.7))) sim.Kill(process);
                break;
            case var _ when victim is null: break;
            case FaultKind.Drain: sim.Operator.Drain(victim); break;
            case FaultKind.Crash: sim.Kill(victim); break;
            case FaultKind.Pause: victim.Pause(Random.Milliseconds(50, 9000)); break;
            case FaultKind.Reset: sim.Data.Reset(victim, isDead: false); break;
            case FaultKind.Usurp: victim.Post(TimeSpan.Zero, () => victim.Succession.TakeOffice(isUsurper: true)); break;
            case FaultKind.FalseSuspicion: sim.Cluster.Suspect(victim, Random.Milliseconds(10, 3000)); break;
            case FaultKind.FalseDowning: sim.Cluster.Down(victim, Random.Milliseconds(0, 6000)); break;
            case FaultKind.EntityEnd:
                if (victim.Serving.ToList() is { Count: > 0 } entities)
                {
                    var entity = Random.Of(entities);
                    victim.Post(TimeSpan.Zero, entity.Stop);
                }
                break;
            case FaultKind.Stop:
                victim.Post(TimeSpan.Zero, () => victim.Agent.Deliver(new StopRun("asked to"), victim.Agent));
                break;
            default: throw new InvalidOperationException($"{kind}");
        }
    }

    private void Partition()
    {
        int nodes = sim.Scenario.Nodes;
        bool control = Random.Chance(0.8), data = !control || Random.Chance(0.7);
        bool[] side = [.. Enumerable.Range(0, nodes).Select(_ => Random.Chance(0.4)), false];
        List<(int, int)> cuts = [];
        for (int a = 0; a <= nodes; a++)
            for (int b = 0; b <= nodes; b++)
                if (side[a] != side[b]) cuts.Add((a, b));
        Cut(cuts, control, data);
    }

    private void OneWayCut()
    {
        int a = Random.Next(0, sim.Scenario.Nodes), b = Random.Next(0, sim.Scenario.Nodes);
        bool control = Random.Chance(0.5);
        if (a != b) Cut([(a, b)], control, !control || Random.Chance(0.3));
    }

    private void Cut(List<(int From, int To)> cuts, bool control, bool data)
    {
        foreach (var (from, to) in cuts)
        {
            if (control) sim.Network.Cut(from, to, isCut: true);
            if (data) sim.Data.Cut(from, to, isCut: true);
        }
        sim.Scheduler.After(Random.Milliseconds(200, 15_000), () =>
        {
            foreach (var (from, to) in cuts)
            {
                sim.Network.Cut(from, to, isCut: false);
                sim.Data.Cut(from, to, isCut: false);
            }
        });
    }

    private void Heal()
    {
        IsOver = true;
        sim.Trace?.Invoke("faults end");
        sim.Network.Heal();
        sim.Data.Heal();
        sim.Journal.Heal();
        sim.Storage.Heal();
        foreach (var process in sim.Processes.ToList()) process.Resume();
    }

    private bool TryFlip()
    {
        if (sim.Oracle.State.Committed.Count > sim.Scenario.Steps - 4) return true;
        if (sim.Oracle.Changes != _changes) (_changes, _changedAt) = (sim.Oracle.Changes, sim.Scheduler.Now);
        if (sim.Oracle.State.Committed.Count < 1 || sim.Scheduler.Now - _changedAt < TimeSpan.FromMilliseconds(500) || Random.Chance(0.9)) return false;
        var shards = sim.Oracle.State.Replicas.GroupBy(r => r.Shard).Where(g => g.Count() >= 2).ToList();
        if (shards.Count == 0) return false;
        var placement = Random.Of(Random.Of(shards).ToList());
        if (sim.FindServing(placement) is not { IsFollowing: false, State: { } state } replica) return false;
        bool isMoment = Plan.Flip == FlipKind.Moments;
        var values = !isMoment ? state.Parameters.Span : Random.Chance(0.5) ? state.Moment1.Span : state.Moment2.Span;
        if (values.Length == 0) return false;
        int index = Random.Next(0, values.Length);
        if (values[index] == 0) return false;
        values[index] = Flip(values[index]);
        sim.Trace?.Invoke($"fault: a bit is flipped in the {Plan.Flip} of {replica.Ref} at {replica.Control.Replica!.Applied}");
        sim.Oracle.Flipped = (placement.Shard, placement.Replica);
        sim.Oracle.MayCommitsBeWrong = !isMoment;
        return true;
    }

    private float Flip(float value) => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) ^ (1u << Random.Next(18, 23)));
}
