using System.Diagnostics;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Nodes;

/// <summary>The events in the life of a step that <see cref="StepClock"/> notes, in their order.</summary>
public enum StepMark
{
    /// <summary>The coordinator opened the step and granted its ranks.</summary>
    Granted,

    /// <summary>The node's devices have the parameters of the step's input version.</summary>
    ParametersReady,

    /// <summary>The last gradient is computed.</summary>
    Computed,

    /// <summary>The coordinator knows of every rank and of every shard's seal.</summary>
    Complete,

    /// <summary>The step before it is durable, so that this one may be decided.</summary>
    Decidable,

    /// <summary>The decision is on its way to the replicas and to the journal.</summary>
    Decided,
}

/// <summary>Where the time of so many steps went, all in seconds. The five parts of a step follow each other.</summary>
/// <param name="Steps">Number of steps.</param>
/// <param name="Parameters">From the grant until the devices have the parameters: the optimizer pass of the step before, and copies.</param>
/// <param name="Compute">Until the last gradient is computed.</param>
/// <param name="Reduce">Until the coordinator has every seal: sums, digests, messages.</param>
/// <param name="Journal">Until the step before is durable: the step loop waits for the journal.</param>
/// <param name="Decide">Until the replicas and the journal are told.</param>
/// <param name="CheckpointCopies">Copies of shards for checkpoints, added up over the shards of this node: the most that the step loop can have waited
/// for them, since they run beside it.</param>
public sealed record StepTimes(long Steps, double Parameters, double Compute, double Reduce, double Journal, double Decide, double CheckpointCopies)
{
    /// <summary>Seconds of all steps together.</summary>
    public double Total => Parameters + Compute + Reduce + Journal + Decide;
}

/// <summary>
/// Notes when a step reaches its <see cref="StepMark"/>s, for people and benchmarks; nothing is decided by it. It is the clock of one node: of a
/// run over several nodes it adds up only those steps of which this node saw every mark. Thread-safe.
/// </summary>
public sealed class StepClock
{
    private const int Marks = 6, Kept = 4;

    private readonly Lock _gate = new();
    private readonly long[] _marks = new long[Kept * Marks];
    private readonly long[] _parts = new long[Marks - 1];
    private long _steps, _copies;

    /// <summary>Notes a mark. Of several (devices, shards) the last one counts.</summary>
    public void Mark(Step step, StepMark mark) => Volatile.Write(ref _marks[Index(step, mark)], Stopwatch.GetTimestamp());

    /// <summary>Notes a copy of a shard for a checkpoint.</summary>
    /// <param name="since">Its start, as <see cref="Stopwatch.GetTimestamp"/> gives it.</param>
    public void AddCheckpointCopy(long since) => Interlocked.Add(ref _copies, Stopwatch.GetTimestamp() - since);

    /// <summary>Adds a decided step to the sums.</summary>
    public void Finish(Step step)
    {
        Span<long> marks = stackalloc long[Marks];
        for (int i = 0; i < Marks; i++)
        {
            marks[i] = Volatile.Read(ref _marks[Index(step, (StepMark)i)]);
            // Another node's marks are missing here, and what stands in their place is of an older step.
            if (i > 0 && marks[i] < marks[i - 1]) return;
        }
        lock (_gate)
        {
            _steps++;
            for (int i = 0; i < _parts.Length; i++) _parts[i] += marks[i + 1] - marks[i];
        }
    }

    /// <summary>The sums since the last call; they start again from zero.</summary>
    public StepTimes Take()
    {
        lock (_gate)
        {
            var times = new StepTimes(
                _steps, Seconds(_parts[0]), Seconds(_parts[1]), Seconds(_parts[2]), Seconds(_parts[3]), Seconds(_parts[4]), Seconds(Interlocked.Exchange(ref _copies, 0)));
            _steps = 0;
            Array.Clear(_parts);
            return times;
        }
    }

    private static int Index(Step step, StepMark mark) => ((int)(step.Value % Kept) * Marks) + (int)mark;

    private static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
