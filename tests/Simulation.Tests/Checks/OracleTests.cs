using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Checks;

/// <summary>Negative controls of the journal's rules: a journal that breaks one, event by event.</summary>
public sealed class OracleTests : IDisposable
{
    private static readonly Digest256 Initial = Digest256.Of("initial");
    private readonly Scenario _scenario = Scenario.Of(1);
    private readonly Oracle _oracle;
    private readonly ReferenceFold _truth;

    public OracleTests()
    {
        (_oracle, _truth) = (new Oracle(_scenario, Initial), new ReferenceFold(_scenario, Initial));
        Write(new RunCreated(default, default, default, Initial));
        Write(new CoordinatorStarted(new Term(1), "node-1", 1));
        Write(Placed(1));
    }

    public void Dispose()
    {
        _oracle.Dispose();
        _truth.Dispose();
    }

    [Fact]
    public void Terms_grow() => Breaks("follows term", new CoordinatorStarted(new Term(1), "node-2", 2));

    [Fact]
    public void There_is_one_writer() => Breaks("two writers", Commit(1), writer: 8);

    [Fact]
    public void There_is_one_beginning() => Breaks("created twice", new RunCreated(default, default, default, Initial));

    [Fact]
    public void Steps_have_no_gaps() => Breaks("is committed after step 0", Commit(2));

    [Fact]
    public void A_commit_has_the_bits_of_the_undisturbed_run() => Breaks("the undisturbed run has", Commit(1) with { LossBits = 5 });

    [Fact]
    public void Replica_numbers_are_used_once() => Breaks("is used twice", Placed(1));

    [Fact]
    public void Siblings_live_apart()
    {
        var placed = Placed(100);
        Breaks("are on one node", placed with { Placements = [.. placed.Placements, placed.Placements[0] with { Replica = new ReplicaId(999) }] });
    }

    [Fact]
    public void Replicas_start_from_what_is_sealed()
    {
        Write(Commit(1));
        Breaks("which is not sealed", Placed(100) with { From = _truth.At(new Step(1), _oracle.State).Version });
    }

    [Fact]
    public void Nobody_joins_who_was_not_recruited() => Breaks("without having been recruited", new ReplicaJoined(Placed(100).Placements[0], default));

    [Fact]
    public void The_last_replica_of_a_shard_stays() => Breaks("without a replica", new ReplicasRemoved([_oracle.State.Replicas[0]], ""));

    [Fact]
    public void A_seal_follows_its_commit() => Breaks("before it is committed", new CheckpointSealed(_truth.At(new Step(1), _oracle.State).Version, default, 1));

    [Fact]
    public void A_seal_names_the_state()
    {
        Write(Commit(1));
        Breaks("names another state", new CheckpointSealed(_truth.At(new Step(1), _oracle.State).Version, default, 1));
    }

    [Fact]
    public void A_command_is_journaled_once()
    {
        Write(new RunResumed("a", "x"));
        Breaks("is in the journal twice", new RunResumed("a", "x"));
    }

    [Fact]
    public void A_command_changes_no_step_that_is_decided()
    {
        Write(Commit(1));
        Breaks("takes effect at step 1", new LayersThawed("a", "x", new Step(1)));
    }

    [Fact]
    public void A_run_finishes_at_its_last_step() => Breaks("of " + _scenario.Steps, new RunFinished(_oracle.State.CommittedVersion, default));

    [Fact]
    public void A_run_halts_for_a_reason() => Breaks("no bit was flipped", new RunHalted(new Step(1), "x"));

    [Fact]
    public void Replicas_differ_for_a_reason() => Breaks("no bit was flipped", new ReplicaDiverged(new ShardId(0), default, []));

    [Fact]
    public void Only_sealed_checkpoints_are_loaded() =>
        Fails("which is not sealed", () => _oracle.OnLoad(ReplicaEntityId.Of(_oracle.State.Replicas[0]), new ReplicaSource(new Lineage(new Step(1), Initial), Initial, 1)));

    [Fact]
    public void A_replica_that_is_given_up_may_load_anything() =>
        _oracle.OnLoad(ReplicaEntityId.Of(_oracle.State.Replicas[0] with { Replica = new ReplicaId(77) }), new ReplicaSource(new Lineage(new Step(1), Initial), Initial, 1));

    [Fact]
    public void A_flipped_bit_is_noticed()
    {
        Finish();
        _oracle.OnEnd();
        _oracle.Flipped = (new ShardId(0), new ReplicaId(1));
        Fails("nobody noticed", _oracle.OnEnd);
    }

    [Fact]
    public void The_right_replica_is_named()
    {
        _oracle.Flipped = (new ShardId(0), new ReplicaId(1));
        var (wrong, right) = (_oracle.State.Replicas[0], _oracle.State.Replicas[1]);
        Write(new ReplicaDiverged(new ShardId(0), default, [new ReplicaFinding(wrong, 1, null), new ReplicaFinding(right, 2, null)]));
        Finish();
        Fails("nobody found out", _oracle.OnEnd);
        Write(new DivergenceResolved(new ShardId(0), default, [right]));
        Fails("does not name", _oracle.OnEnd);
    }

    [Fact]
    public void A_run_that_ends_has_finished() => Fails("without having finished", _oracle.OnEnd);

    private void Finish()
    {
        for (int step = 1; step <= _scenario.Steps; step++) Write(Commit(step));
        Write(new RunFinished(_oracle.State.CommittedVersion, _truth.StateDigest(new Step(_scenario.Steps), _oracle.State)));
    }

    private StepCommitted Commit(long step) => _truth.At(new Step(step), _oracle.State).Commit!;

    private ReplicasPlaced Placed(int from) => new(
        new Lineage(Step.Zero, Initial), [.. _scenario.Layout.Shards.Select((s, i) => new ReplicaPlacement(s.Id, new ReplicaId(from + i), new NodeId("node-1", "a", 1)))], "");

    private void Write(IRunEvent @event, int writer = 7) => _oracle.OnEvent(@event, writer);

    private void Breaks(string expected, IRunEvent @event, int writer = 7) => Fails(expected, () => Write(@event, writer));

    private static void Fails(string expected, Action action) => Assert.Contains(expected, Assert.Throws<SimulationFailure>(action).Message, StringComparison.Ordinal);
}
