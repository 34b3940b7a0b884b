using System.Data.Common;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;

namespace ElasticTrain.Host.Chaos;

/// <summary>Reads a run's journal while the run writes it.</summary>
internal sealed class JournalWatch(string directory, Plan plan)
{
    private readonly List<JournaledEvent> _history = [];
    private JournalReader? _reader;

    /// <summary>Everything read so far, in order.</summary>
    public IReadOnlyList<JournaledEvent> History => _history;

    /// <summary>The last committed step.</summary>
    public long Committed { get; private set; }

    /// <summary>About how long a step takes.</summary>
    public TimeSpan StepTime { get; private set; }

    /// <summary>Process number of the coordinator of the newest term.</summary>
    public int? Coordinator { get; private set; }

    /// <summary>Reads what is new.</summary>
    public IReadOnlyList<JournaledEvent> Poll()
    {
        IReadOnlyList<JournaledEvent> news;
        try
        {
            if (_reader is null && RunFolder.Exists(directory))
            {
                var folder = RunFolder.Open(directory);
                _reader = new JournalReader(new JournalSettings(plan.Journal, folder), folder.Run);
            }
            news = _reader?.Read(_history.Count == 0 ? 0 : _history[^1].SequenceNumber) ?? [];
        }
        catch (DbException)
        {
            // Being made, or locked for a moment by a process that comes back from kill -9: the next look sees it.
            return [];
        }
        foreach (var e in news) Note(e);
        return news;
    }

    private void Note(JournaledEvent e)
    {
        switch (e.Event)
        {
            case CoordinatorStarted started:
                Coordinator = started.Pid;
                break;
            case StepCommitted commit:
                var before = _history.LastOrDefault(h => h.Event is StepCommitted);
                // An outage is no step's duration.
                if (before is not null && e.WrittenAt - before.WrittenAt is var took) StepTime = StepTime > TimeSpan.Zero && took > StepTime * 2 ? StepTime * 2 : took;
                Committed = commit.Step.Value;
                break;
            default:
                break;
        }
        _history.Add(e);
    }
}
