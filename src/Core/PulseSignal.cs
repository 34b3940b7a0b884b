namespace ElasticTrain.Core;

/// <summary>
/// Wakes everybody who waits for a change. To miss none: take <see cref="Next"/> and look at the state under one lock, then await; whoever changes the state
/// pulses under the same lock.
/// </summary>
public sealed class PulseSignal
{
    private TaskCompletionSource _next = New();

    /// <summary>Completes at the next pulse.</summary>
    public Task Next => _next.Task;

    /// <summary>Completes the tasks taken so far. Their continuations run elsewhere, not inside this call.</summary>
    public void Pulse() => Interlocked.Exchange(ref _next, New()).TrySetResult();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
