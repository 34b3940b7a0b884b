using System.Collections.Concurrent;

namespace ElasticTrain.Actors.Runs;

/// <summary>What this start of a run aims at. Never an input of the fold.</summary>
/// <param name="Steps">The step at which the run ends.</param>
/// <param name="MinWorkers">Fewer workers than this: wait.</param>
/// <param name="ExpectedWorkers">How many workers were started; the first placement waits a moment for them.</param>
public sealed record RunTarget(long Steps, int MinWorkers, int ExpectedWorkers)
{
    /// <summary>How long the first placement waits for <see cref="ExpectedWorkers"/>.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
}

/// <summary>Lines for the operator, numbered so that a reader who polls misses none and repeats none. Outlives a coordinator's restart.</summary>
public sealed class RunNotes
{
    private const int Kept = 64;

    private readonly Lock _gate = new();
    private readonly Queue<(long Number, string Text)> _notes = new();
    private long _number = DateTime.UtcNow.Ticks;

    /// <summary>Why the journal does not answer; null while it does.</summary>
    public string? JournalProblem { get; set; }

    /// <summary>Adds a line.</summary>
    public void Add(string text)
    {
        lock (_gate)
        {
            _notes.Enqueue((++_number, text));
            if (_notes.Count > Kept) _notes.Dequeue();
        }
    }

    /// <summary>The lines kept, oldest first.</summary>
    public IReadOnlyList<NumberedNote> All()
    {
        lock (_gate) return [.. _notes.Select(n => new NumberedNote(n.Number, n.Text))];
    }
}

/// <summary>A line for the operator.</summary>
/// <param name="Number">Grows with every line.</param>
/// <param name="Text">The line.</param>
public sealed record NumberedNote(long Number, string Text);
