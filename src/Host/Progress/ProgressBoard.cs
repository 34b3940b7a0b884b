using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Progress;

/// <summary>Something that happened, for the user.</summary>
/// <param name="Id">Names it: whoever has shown it once does not show it again.</param>
/// <param name="Text">One line.</param>
public sealed record ProgressNote(string Id, string Text);

/// <summary>What a node answers to the control command <c>progress</c>.</summary>
/// <param name="Sample">Where the run stands; null before anything is known.</param>
/// <param name="Notes">The latest notes, oldest first.</param>
public sealed record ProgressReport(ProgressSample? Sample, IReadOnlyList<ProgressNote> Notes);

/// <summary>A node's own copy of the run's progress, for those who ask over the control channel. May be used from any thread.</summary>
public sealed class ProgressBoard
{
    /// <summary>The control command that reads a board.</summary>
    public const string Command = "progress";

    private const int Kept = 50;
    private readonly Lock gate = new();
    private readonly Queue<ProgressNote> notes = new();
    private ProgressSample? latest;

    /// <summary>Where the run stands now.</summary>
    public void Show(ProgressSample sample)
    {
        lock (gate) latest = sample;
    }

    /// <summary>Adds a note; of the same id it is taken once.</summary>
    public void Note(ProgressNote note)
    {
        lock (gate)
        {
            if (notes.Any(n => n.Id == note.Id)) return;
            notes.Enqueue(note);
            if (notes.Count > Kept) notes.Dequeue();
        }
    }

    /// <summary>Adds a note with an id of its own.</summary>
    public void Note(string text) => Note(new ProgressNote(Guid.NewGuid().ToString("N"), text));

    /// <summary>The answer to <see cref="Command"/>.</summary>
    public ControlReply Answer()
    {
        lock (gate) return ControlReply.Success(new ProgressReport(latest, [.. notes]));
    }
}
