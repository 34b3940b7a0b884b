namespace ElasticTrain.Host.Progress;

/// <summary>Steps a second over the last minute or so, for the time that is left. Looks at the clock of its caller only.</summary>
internal sealed class StepRate
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(60);
    private readonly Queue<(TimeSpan Time, long Step)> seen = new();

    /// <summary>Takes note of a step.</summary>
    public void Note(TimeSpan time, long step)
    {
        // A resumed run goes back behind what the window holds: it starts anew.
        if (seen.TryPeek(out var first) && step < first.Step) seen.Clear();
        seen.Enqueue((time, step));
        while (seen.Count > 2 && time - seen.Peek().Time > Window) seen.Dequeue();
    }

    /// <summary>The time for this many more steps; null while nothing is known.</summary>
    public TimeSpan? TimeFor(long steps)
    {
        if (seen.Count < 2) return null;
        (TimeSpan firstTime, long firstStep) = seen.Peek();
        (TimeSpan lastTime, long lastStep) = seen.Last();
        if (lastStep <= firstStep || lastTime <= firstTime) return null;
        double seconds = (lastTime - firstTime).TotalSeconds / (lastStep - firstStep) * steps;
        return seconds < TimeSpan.FromDays(365).TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }
}
