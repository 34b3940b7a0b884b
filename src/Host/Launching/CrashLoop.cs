namespace ElasticTrain.Host.Launching;

/// <summary>
/// Tells a process that cannot run from one that somebody kills: several ends in a row by its own doing, each soon after its start, are a fault that no restart mends.
/// </summary>
internal sealed class CrashLoop
{
    private const int Most = 5;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);
    private int inARow;

    /// <summary>Takes note of an end; true if it is time to give up.</summary>
    /// <param name="exitCode">The exit code; above 128 a signal's.</param>
    /// <param name="age">How long the process had lived.</param>
    public bool Note(int exitCode, TimeSpan age)
    {
        bool bySignal = exitCode is > 128 and < 192;
        inARow = !bySignal && age < Soon ? inARow + 1 : 0;
        return inARow >= Most;
    }
}
