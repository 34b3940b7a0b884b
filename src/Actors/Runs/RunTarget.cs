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

    /// <summary>How long a coordinator may read its journal before that is a problem worth telling.</summary>
    private static readonly TimeSpan SlowRecovery = TimeSpan.FromSeconds(2);

    private string? _journalProblem;
    private DateTime? _recoveringSince;

    /// <summary>Why the journal does not answer; null while it does. A coordinator that waits for its journal cannot answer questions itself.</summary>
    public string? JournalProblem
    {
        get
        {
            lock (_gate)
                return _journalProblem ?? (_recoveringSince is { } since && DateTime.UtcNow - since > SlowRecovery
                    ? "the journal does not answer (locked, or its server is down); it is waited for" : null);
        }
        set { lock (_gate) _journalProblem = value; }
    }

    /// <summary>A coordinator begins to read its journal.</summary>
    public void RecoveryStarted()
    {
        lock (_gate) _recoveringSince ??= DateTime.UtcNow;
    }

    /// <summary>The journal was read: it answers.</summary>
    public void RecoveryCompleted()
    {
        lock (_gate)
        {
            _recoveringSince = null;
            _journalProblem = null;
        }
    }

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
