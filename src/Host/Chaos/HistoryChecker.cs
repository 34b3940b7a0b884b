using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Chaos;

/// <summary>
/// What must hold in every journal, whatever happened to the run: a pure function of the events. After the fashion of Jepsen: first a history, then a
/// checker over it.
/// </summary>
internal static class HistoryChecker
{
    /// <summary>Looks at a whole journal.</summary>
    /// <param name="history">All events, by sequence number.</param>
    /// <returns>One line for each thing that is wrong, with the event's number; empty if nothing is.</returns>
    public static IReadOnlyList<string> Violations(IReadOnlyList<JournaledEvent> history)
    {
        var wrong = new List<string>();
        var chain = new Dictionary<Step, Lineage>();
        var digests = new HashSet<Digest256>();
        var inSync = new List<ReplicaPlacement>();
        var recruited = new HashSet<ReplicaPlacement>();
        var seals = new Dictionary<Lineage, Digest256>();
        Lineage last = default;
        Term term = new(0);
        int replica = 0;
        long expected = 1, optimizerStep = 0;
        string? writer = null;

        foreach (var (number, _, content, by) in history)
        {
            if (number != expected) Say($"number {expected} is missing");
            expected = number + 1;
            if (by != writer)
            {
                // Another process must take a term before anything else, also one that has coordinated before.
                if (content is not (CoordinatorStarted or RunCreated)) Say($"{content.GetType().Name} by a writer that has not taken a term");
                writer = by;
            }
            switch (content)
            {
                case RunCreated e:
                    if (chain.Count > 0) Say("the run is created twice");
                    last = chain[Step.Zero] = new Lineage(Step.Zero, e.Initial);
                    digests.Add(e.Initial);
                    break;
                case CoordinatorStarted e:
                    if (e.Term.Value <= term.Value) Say($"term {e.Term} after term {term}");
                    term = e.Term;
                    break;
                case StepCommitted e:
                    if (e.Step != last.Step.Next) Say($"step {e.Step} is committed after step {last.Step}");
                    if (e.Digest.IsZero || !digests.Add(e.Digest)) Say($"the digest of step {e.Step} is that of another step");
                    if (e.OptimizerStep != optimizerStep + (e.Skipped ? 0 : 1)) Say($"step {e.Step} is update {e.OptimizerStep} after update {optimizerStep}");
                    optimizerStep = e.OptimizerStep;
                    last = chain[e.Step] = new Lineage(e.Step, e.Digest);
                    break;
                case CheckpointSealed e:
                    if (!OnChain(e.Version)) Say($"a checkpoint of {e.Version} is sealed, which is not committed");
                    if (seals.TryGetValue(e.Version, out var state) && state != e.State) Say($"the state of {e.Version} is {e.State.Short}, sealed before as {state.Short}");
                    seals[e.Version] = e.State;
                    break;
                case ReplicasPlaced e:
                    if (!OnChain(e.From)) Say($"replicas start from {e.From}, which is not committed");
                    else if (e.From.Step != Step.Zero && !seals.ContainsKey(e.From)) Say($"replicas start from {e.From}, which is not sealed");
                    foreach (var placement in e.Placements)
                    {
                        if (placement.Replica.Value <= replica) Say($"replica number {placement.Replica} is used again");
                        replica = placement.Replica.Value;
                    }
                    inSync = [.. e.Placements];
                    recruited.Clear();
                    break;
                case ReplicaRecruited e:
                    if (e.Placement.Replica.Value <= replica) Say($"replica number {e.Placement.Replica} is used again");
                    replica = e.Placement.Replica.Value;
                    if (inSync.All(p => p.Replica != e.Sibling || p.Shard != e.Placement.Shard)) Say($"{e.Placement.Shard}~{e.Placement.Replica} is made from ~{e.Sibling}, which is not in sync");
                    recruited.Add(e.Placement);
                    break;
                case ReplicaJoined e:
                    if (!recruited.Remove(e.Placement)) Say($"{e.Placement.Shard}~{e.Placement.Replica} joins without having been recruited");
                    if (inSync.Any(p => p.Shard == e.Placement.Shard && p.Node == e.Placement.Node)) Say($"two replicas of {e.Placement.Shard} are on {e.Placement.Node}");
                    inSync.Add(e.Placement);
                    break;
                case ReplicasRemoved e:
                    foreach (var placement in e.Replicas)
                    {
                        if (!inSync.Remove(placement)) Say($"{placement.Shard}~{placement.Replica} leaves, but was not in sync");
                        if (inSync.All(p => p.Shard != placement.Shard)) Say($"the last replica of {placement.Shard} leaves");
                    }
                    break;
                case ReplicaDiverged e:
                    foreach (var suspect in seals.Keys.Where(v => v.Step >= e.SuspectFrom).ToList()) seals.Remove(suspect);
                    break;
                case RunFinished e:
                    if (e.Version != last) Say($"the run finished at {e.Version} after {last}");
                    break;
                case RunHalted e:
                    Say($"halted at step {e.Step}: {e.Reason}");
                    break;
                default:
                    break;
            }

            void Say(string what) => wrong.Add($"event {number}: {what}");
        }
        return wrong;

        bool OnChain(Lineage version) => chain.TryGetValue(version.Step, out var known) && known == version;
    }

    /// <summary>Where a run's bits differ from the reference's: the first step, or the final state; null if nowhere.</summary>
    /// <param name="reference">An undisturbed run.</param>
    /// <param name="run">Another run of the same plan.</param>
    public static string? Difference(RunState reference, RunState run)
    {
        foreach (var (expected, found) in reference.Committed.Zip(run.Committed))
            if (expected.Digest != found.Digest || expected.LossBits != found.LossBits)
                return $"step {expected.Step}: loss bits {found.LossBits:x8} and digest {found.Digest.Short}, the reference has {expected.LossBits:x8} and {expected.Digest.Short}";
        foreach (var (expected, found) in reference.Committed.Zip(run.Committed))
            if (expected != found) return $"step {expected.Step}: {found}, the reference has {expected}";
        if (reference.Committed.Count != run.Committed.Count) return $"{run.Committed.Count} steps, the reference has {reference.Committed.Count}";
        var (state, wanted) = (Final(run), Final(reference));
        return state == wanted ? null : $"final state {state?.Short ?? "none"}, the reference has {wanted?.Short ?? "none"}";
    }

    /// <summary>Committed steps that were computed again because replicas started anew from a checkpoint.</summary>
    public static long Replayed(IEnumerable<JournaledEvent> history)
    {
        long committed = 0, replayed = 0;
        foreach (var e in history)
        {
            if (e.Event is StepCommitted step) committed = step.Step.Value;
            else if (e.Event is ReplicasPlaced placed) replayed += committed - placed.From.Step.Value;
        }
        return replayed;
    }

    /// <summary>The longest time between two committed steps while a fault lasted and right after it; null if nothing was committed after it.</summary>
    /// <param name="history">All events.</param>
    /// <param name="from">When it struck, UTC.</param>
    /// <param name="until">When it was over.</param>
    public static TimeSpan? Standstill(IEnumerable<JournaledEvent> history, DateTime from, DateTime until)
    {
        DateTime last = from;
        TimeSpan? longest = null;
        foreach (var at in history.Where(e => e.Event is StepCommitted && e.WrittenAt > from).Select(e => e.WrittenAt))
        {
            longest = longest is { } known && known > at - last ? known : at - last;
            last = at;
            if (at > until) break;
        }
        return longest;
    }

    /// <summary>Whether a run started from a checkpoint that was spoiled, before it had written it anew.</summary>
    /// <param name="after">The events after it was spoiled.</param>
    /// <param name="spoiled">The checkpoint.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? SpoiledStart(IEnumerable<JournaledEvent> after, Lineage spoiled)
    {
        foreach (var e in after)
        {
            if (e.Event is CheckpointSealed anew && anew.Version == spoiled) return null;
            if (e.Event is ReplicasPlaced placed && placed.From == spoiled) return $"event {e.SequenceNumber}: replicas start from {spoiled}, a checkpoint in which a bit was flipped";
        }
        return null;
    }

    private static Digest256? Final(RunState state) => state.Seals.LastOrDefault(s => s.Version == state.CommittedVersion)?.State;
}
