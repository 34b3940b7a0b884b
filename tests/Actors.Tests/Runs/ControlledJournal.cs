using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Persistence;
using Akka.Persistence.Journal;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

/// <summary>What a test makes the journal do for one run, and what it has seen.</summary>
internal sealed class JournalControl
{
    private static readonly ConcurrentDictionary<string, JournalControl> All = new();

    private readonly ConcurrentQueue<IRunEvent> _attempted = new(), _written = new();
    private TaskCompletionSource? _held;
    private volatile Func<IRunEvent, bool> _holds = _ => false, _fails = _ => false;

    internal static JournalControl Of(RunId run) => Of(TrainingRun.PersistenceIdOf(run));

    internal static JournalControl Of(string persistenceId) => All.GetOrAdd(persistenceId, _ => new JournalControl());

    internal IReadOnlyList<IRunEvent> Attempted => [.. _attempted];

    internal IReadOnlyList<IRunEvent> Written => [.. _written];

    internal void Fail(Func<IRunEvent, bool> which) => _fails = which;

    internal void Hold(Func<IRunEvent, bool> which)
    {
        _held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _holds = which;
    }

    internal void Release()
    {
        _holds = _ => false;
        _held?.TrySetResult();
    }

    internal async Task BeforeAsync(IReadOnlyList<IRunEvent> events)
    {
        foreach (var e in events) _attempted.Enqueue(e);
        if (events.Any(_holds)) await _held!.Task.ConfigureAwait(false);
        if (events.Any(_fails)) throw new IOException("database is locked");
    }

    internal void After(IReadOnlyList<IRunEvent> events)
    {
        foreach (var e in events) _written.Enqueue(e);
    }
}

/// <summary>Akka's journal in memory, which fails and hangs when told to.</summary>
public sealed class ControlledJournal : MemoryJournal
{
    /// <inheritdoc/>
    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        var writes = messages.ToList();
        var control = JournalControl.Of(writes[0].PersistenceId);
        var events = writes.SelectMany(w => (IImmutableList<IPersistentRepresentation>)w.Payload).Select(p => (IRunEvent)p.Payload).ToList();
        await control.BeforeAsync(events);
        var result = await base.WriteMessagesAsync(writes, cancellationToken);
        control.After(events);
        return result;
    }
}
