using System.Diagnostics;

namespace ElasticTrain.Actors.Runs;

/// <summary>Tokens per second over the last steps, for people; nothing is decided by it.</summary>
public sealed class ThroughputMeter
{
    private const int Window = 20;

    private readonly Queue<(long Timestamp, long Tokens)> _steps = new();

    /// <summary>Notes a finished step.</summary>
    public void Add(long tokens)
    {
        _steps.Enqueue((Stopwatch.GetTimestamp(), tokens));
        if (_steps.Count > Window) _steps.Dequeue();
    }

    /// <summary>Forgets everything: the step loop was interrupted.</summary>
    public void Reset() => _steps.Clear();

    /// <summary>Unmasked tokens per second; 0 before the second step.</summary>
    public double TokensPerSecond
    {
        get
        {
            if (_steps.Count < 2) return 0;
            double seconds = Stopwatch.GetElapsedTime(_steps.Peek().Timestamp, _steps.Last().Timestamp).TotalSeconds;
            return seconds <= 0 ? 0 : (_steps.Sum(s => s.Tokens) - _steps.Peek().Tokens) / seconds;
        }
    }
}
