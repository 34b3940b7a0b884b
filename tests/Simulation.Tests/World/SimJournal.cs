using ElasticTrain.Actors.Runs;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.Processes;

namespace ElasticTrain.Simulation.Tests.World;

/// <summary>The journal's database: one row for each number. A batch is written whole or not at all, and not if one of its numbers is taken.</summary>
public sealed class SimJournal(Simulation sim)
{
    private readonly List<IRunEvent> _events = [];
    private TimeSpan _slowUntil;

    /// <summary>Whether the run's folder knows that it has journaled.</summary>
    public bool IsMarked { get; set; }

    /// <summary>Batches that are still to fail.</summary>
    public int Failures { get; set; }

    /// <summary>Batches that are still to succeed and be reported as failed.</summary>
    public int Ghosts { get; set; }

    /// <summary>Everything written.</summary>
    public IReadOnlyList<IRunEvent> Events => _events;

    /// <summary>Lets the database answer late for a while.</summary>
    public void SlowDown(TimeSpan time) => _slowUntil = sim.Scheduler.Now + time;

    /// <summary>It answers as it should from now on.</summary>
    public void Heal()
    {
        _slowUntil = default;
        (Failures, Ghosts) = (0, 0);
    }

    /// <summary>How long the database takes at the moment.</summary>
    public TimeSpan Latency() => sim.Scheduler.Now < _slowUntil ? _slowUntil - sim.Scheduler.Now : sim.Random.Milliseconds(0.2, 8);

    /// <summary>The fold over everything written, sometimes by way of a snapshot.</summary>
    public RunState Read(SimRandom random, out int length)
    {
        length = _events.Count;
        int snapshot = random.Chance(0.2) ? random.Next(0, length + 1) : 0;
        var state = RunState.Empty;
        for (int i = 0; i < length; i++)
        {
            if (i == snapshot && i > 0) state = RunSnapshot.Of(state).ToState();
            state = state.Apply(_events[i]);
        }
        return state;
    }

    /// <summary>Writes a batch later.</summary>
    /// <param name="writer">Who writes.</param>
    /// <param name="after">Number of the last event that the writer knows.</param>
    /// <param name="batch">The events.</param>
    /// <param name="done">Called with whether the writer is told of success.</param>
    public void Write(SimCoordinator writer, long after, IReadOnlyList<IRunEvent> batch, Action<bool> done) => sim.Scheduler.After(Latency(), () =>
    {
        if (Failures > 0)
        {
            Failures--;
            done(false);
            return;
        }
        if (after != _events.Count && sim.Sabotage != Sabotage.JournalTakesAnything)
        {
            if (after > _events.Count) throw new SimulationFailure($"{writer.Ref} knows of {after} events, the journal has {_events.Count}");
            done(false);
            return;
        }
        foreach (var given in batch)
        {
            var @event = (sim.Sabotage, given) switch
            {
                (Sabotage.JournalForgets, StepCommitted { Step.Value: 3 } lost) => new CheckpointFailed(lost.Step, "forgotten"),
                (Sabotage.UnsealedCheckpoint, CheckpointSealed seal) => new CheckpointFailed(seal.Version.Step, "forgotten"),
                _ => given,
            };
            _events.Add(@event);
            sim.Trace?.Invoke($"journal {_events.Count}: {@event} by {writer.Ref}");
            sim.Oracle.OnEvent(@event, writer.Number);
        }
        if (Ghosts > 0)
        {
            Ghosts--;
            done(false);
            return;
        }
        done(true);
    });
}
