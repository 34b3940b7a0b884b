using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.Faults;

/// <summary>Faults that strike at moments.</summary>
public enum FaultKind
{
    /// <summary>A process is gone from one event to the next.</summary>
    Crash,

    /// <summary>Most or all processes at once.</summary>
    CrashMany,

    /// <summary>A process handles nothing for a while, then everything at once.</summary>
    Pause,

    /// <summary>The nodes fall into two parts that do not hear each other.</summary>
    Partition,

    /// <summary>Messages from one node to another are lost.</summary>
    OneWayCut,

    /// <summary>A connection breaks although both ends live.</summary>
    Reset,

    /// <summary>A node takes office although somebody holds it.</summary>
    Usurp,

    /// <summary>The journal answers late.</summary>
    SlowJournal,

    /// <summary>A write to the journal fails.</summary>
    JournalFailure,

    /// <summary>A write to the journal succeeds and is reported as failed.</summary>
    JournalGhost,

    /// <summary>A stored blob is damaged.</summary>
    BlobRot,

    /// <summary>A blob that was said to be stored is gone.</summary>
    BlobLoss,

    /// <summary>The cluster takes a living node for unreachable, and back.</summary>
    FalseSuspicion,

    /// <summary>The cluster puts a living node out, which goes on for a while.</summary>
    FalseDowning,

    /// <summary>A replica ends while its node lives on.</summary>
    EntityEnd,

    /// <summary>An operator freezes, thaws, pauses and resumes.</summary>
    Command,

    /// <summary>An operator tells a node to go.</summary>
    Drain,

    /// <summary>An operator stops the run, which is started again.</summary>
    Stop,
}

/// <summary>Bits that flip, once in a schedule that is otherwise calm.</summary>
public enum FlipKind
{
    /// <summary>None.</summary>
    None,

    /// <summary>In one replica's moments.</summary>
    Moments,

    /// <summary>In one replica's parameters.</summary>
    Parameters,

    /// <summary>In what reaches one replica of a contribution.</summary>
    Contribution,
}

/// <summary>A device that hangs in every life of its process from a step on, and is never healed.</summary>
/// <param name="Slot">Its machine; it is the first device there.</param>
/// <param name="From">The first step.</param>
public sealed record Hang(int Slot, int From);

/// <summary>A device that computes wrong gradients for some steps.</summary>
/// <param name="Slot">Its machine; it is the first device there, in every life.</param>
/// <param name="From">The first step.</param>
/// <param name="To">One past the last.</param>
/// <param name="Share">Of the ranks it computes, the share that come out wrong.</param>
/// <param name="IsErratic">Whether every computation is wrong in another way; otherwise the same rank is always wrong in the same way.</param>
public sealed record Corruption(int Slot, int From, int To, double Share, bool IsErratic)
{
    /// <summary>Draws one.</summary>
    public static Corruption Of(SimRandom random, int nodes, int steps)
    {
        int from = random.Next(1, steps - 1);
        return new Corruption(random.Next(0, nodes), from, from + random.Next(1, 6), 0.1 + (0.9 * random.Unit()), random.Chance(0.5));
    }
}

/// <summary>Which faults a schedule knows, and how often. Each seed draws a few kinds, so that some schedules are stormy in one way only.</summary>
public sealed record FaultPlan
{
    /// <summary>No faults.</summary>
    public static readonly FaultPlan Calm = new();

    /// <summary>What strikes.</summary>
    public IReadOnlyList<FaultKind> Kinds { get; init; } = [];

    /// <summary>Mean time between two strikes.</summary>
    public TimeSpan MeanInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After this everything is healed.</summary>
    public TimeSpan Until { get; init; }

    /// <summary>Share of control messages that are lost.</summary>
    public double ControlLoss { get; init; }

    /// <summary>Share of control messages that come twice.</summary>
    public double ControlRepeat { get; init; }

    /// <summary>Share of control messages that are late by up to two seconds; they overtake nothing unless <see cref="Reorder"/>.</summary>
    public double ControlLate { get; init; }

    /// <summary>Whether control messages overtake each other.</summary>
    public bool Reorder { get; init; }

    /// <summary>Share of data-plane requests that are cut before or after they are served.</summary>
    public double DataCut { get; init; }

    /// <summary>Share of contributions that come twice.</summary>
    public double DataRepeat { get; init; }

    /// <summary>Share of data-plane requests that are late by up to three seconds.</summary>
    public double DataLate { get; init; }

    /// <summary>Share of checkpoint files that cannot be written.</summary>
    public double DiskFailure { get; init; }

    /// <summary>Share of checkpoint files that are not what was written.</summary>
    public double DiskTear { get; init; }

    /// <summary>Share of checkpoint files that are gone when their writer's process ends.</summary>
    public double DiskLie { get; init; }

    /// <summary>Whether news of membership may be late by seconds.</summary>
    public bool LateMembership { get; init; }

    /// <summary>Bits that flip.</summary>
    public FlipKind Flip { get; init; }

    /// <summary>The device that computes wrong gradients; null for none.</summary>
    public Corruption? Corruption { get; init; }

    /// <summary>The device that takes grants and never answers, while its node lives well; null for none.</summary>
    public Hang? Hang { get; init; }

    /// <summary>Draws a schedule's faults.</summary>
    public static FaultPlan Of(SimRandom random)
    {
        if (random.Chance(0.08))
        {
            // A sibling must live until the difference is found; all else may be slow and repeated.
            return Calm with { Flip = (FlipKind)random.Next(1, 4), ControlRepeat = Maybe(0.2), ControlLate = Maybe(0.05) };
        }
        if (random.Chance(0.03)) return Calm;
        var all = Enum.GetValues<FaultKind>();
        double share = random.Unit() * 0.8;
        return new FaultPlan
        {
            Kinds = [.. all.Where(_ => random.Chance(share)), random.Of(all)],
            MeanInterval = random.Milliseconds(150, 3000),
            Until = random.Milliseconds(3000, 40_000),
            ControlLoss = Maybe(0.2),
            ControlRepeat = Maybe(0.2),
            ControlLate = Maybe(0.1),
            Reorder = random.Chance(0.3),
            DataCut = Maybe(0.1),
            DataRepeat = Maybe(0.3),
            DataLate = Maybe(0.05),
            DiskFailure = Maybe(0.1),
            DiskTear = Maybe(0.1),
            DiskLie = Maybe(0.2),
            LateMembership = random.Chance(0.3),
        };

        double Maybe(double most) => random.Chance(0.5) ? 0 : random.Unit() * most;
    }
}
