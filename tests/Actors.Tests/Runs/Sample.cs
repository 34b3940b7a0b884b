using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>Made-up events, versions and nodes.</summary>
internal static class Sample
{
    internal static readonly RunId Run = new(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));

    internal static readonly RunCreated Created = new(Run, Digest256.Of("plan"), Digest256.Of("class"), Digest256.Of("initial"));

    internal static Digest256 Digest(long step) => Digest256.Of($"D({step})");

    internal static Lineage Version(long step) => new(new Step(step), step == 0 ? Created.Initial : Digest(step));

    internal static StepCommitted Commit(long step) => new(new Step(step), 0x3F800000, 1f, 1e-3f, 64, false, step, Digest(step));

    internal static NodeId Node(int number) => new($"node-{number}", $"akka.tcp://elastictrain@127.0.0.1:{4000 + number}", number);

    internal static RunState State(params IRunEvent[] events) => events.Aggregate(RunState.Empty, (state, e) => state.Apply(e));

    /// <summary>A run with so many committed steps.</summary>
    internal static RunState Committed(int steps, params IRunEvent[] then) =>
        State([Created, new CoordinatorStarted(new Term(1), "node-1", 1), .. Enumerable.Range(1, steps).Select(s => Commit(s)), .. then]);

    internal static PlanAmended Amended(string id, long step, string set) => new(id, "test", new Step(step), [new PlanSetting(set.Split('=')[0], set.Split('=')[1])]);

    internal static DataSource Data(string content) => new(Digest256.Of(content), $"attached/{content}");

    internal static DataAttached Attached(string id, long step, DataSource data, bool replace = false) => new(id, "test", new Step(step), data, replace);

    internal static LayersFrozen Frozen(string id, long step, int lastLayer, bool drop = false) => new(id, "test", new Step(step), lastLayer, drop);
}
