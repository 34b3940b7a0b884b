using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Elastic;

/// <summary>What a figure is measured on: a plan with settings over it.</summary>
internal sealed record Case(string Name, string PlanFile, IReadOnlyList<string> Sets)
{
    /// <summary>The plan as every process of the figure has it: one device unless said otherwise, and more steps than anyone will wait for.</summary>
    public Plan Load(params IEnumerable<string> more) => Plan.Load(PlanFile, [.. AllSets(more).Select(Pair)]);

    public IEnumerable<string> AllSets(IEnumerable<string> more) => ["device.count=1", "phases.0.steps=1000000", .. Sets, .. more];

    private static KeyValuePair<string, string> Pair(string set) => new(set[..set.IndexOf('=')], set[(set.IndexOf('=') + 1)..]);
}

/// <summary>A folder for the runs of the benchmark, deleted at the end; the tokens are prepared once.</summary>
internal sealed class Workshop : IDisposable
{
    /// <summary>Steps before anything is measured.</summary>
    public const int WarmUpSteps = 10;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(20);

    /// <summary>How long anything is waited for.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private readonly Dictionary<string, string> _data = [];
    private bool _deleted;
    private int _runs;

    public Workshop() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose();

    public string Folder { get; } = Directory.CreateTempSubdirectory("elastic-bench-").FullName;

    /// <summary>A folder of a new run, with its data in place.</summary>
    public string NewRun(Case on, params IEnumerable<string> sets)
    {
        var plan = on.Load(sets);
        string run = Path.Combine(Folder, $"run-{++_runs}");
        string key = $"{plan.Data}{plan.Seed}";
        if (!_data.TryGetValue(key, out string? prepared))
        {
            _data[key] = prepared = Path.Combine(Folder, $"data-{_data.Count}");
            using var corpus = Corpus.PrepareOrOpen(prepared, new CorpusOptions(plan.Data.Input, plan.Data.ValidationShare, plan.Seed, plan.Data.MaxBytes));
            Console.WriteLine($"data: {corpus.Description}");
        }
        Directory.CreateDirectory(run);
        Directory.CreateSymbolicLink(Path.Combine(run, "data"), prepared);
        return run;
    }

    /// <summary>Opens a run in this process.</summary>
    public static (RunDefinition Definition, JournalSettings Journal) Open(string directory, Plan plan)
    {
        var corpus = Corpus.PrepareOrOpen(
            Path.Combine(directory, "data"), new CorpusOptions(plan.Data.Input, plan.Data.ValidationShare, plan.Seed, plan.Data.MaxBytes));
        var folder = RunFolder.OpenOrCreate(directory, plan);
        return (new RunDefinition(folder, plan, corpus), new JournalSettings(plan.Journal, folder));
    }

    /// <summary>The journal of a run that a child process writes; nothing while there is none.</summary>
    public static IReadOnlyList<JournaledEvent> Journal(string directory, long after = 0)
    {
        if (!RunFolder.Exists(directory)) return [];
        var folder = RunFolder.Open(directory);
        if (!File.Exists(folder.PlanFile)) return [];
        return new JournalReader(new JournalSettings(Plan.Load(folder.PlanFile, []).Journal, folder), folder.Run).Read(after);
    }

    /// <summary>The commits in the journal of a run.</summary>
    public static List<JournaledEvent> Commits(string run) => [.. Journal(run).Where(e => e.Event is StepCommitted)];

    /// <summary>Waits until the hot methods of a run's processes are compiled for good.</summary>
    public static void WarmedUp(Child train, string run) =>
        train.Await(() => Commits(run) is { Count: > WarmUpSteps } c && c[^1].WrittenAt - c[0].WrittenAt > WarmUp, Deadline);

    /// <summary>The speed of a new run of some steps.</summary>
    /// <param name="on">The plan.</param>
    /// <param name="steps">Steps that count.</param>
    /// <param name="sets">Settings over it.</param>
    /// <param name="more">Further arguments of <c>train</c>.</param>
    public double StepsPerSecond(Case on, int steps, IReadOnlyList<string> sets, params string[] more)
    {
        string run = NewRun(on, sets);
        using var train = Child.Train(on, run, sets, more);
        WarmedUp(train, run);
        int first = Commits(run).Count, last = first + steps;
        train.Await(() => Commits(run).Count > last, Deadline);
        var commits = Commits(run);
        return (last - first) / (commits[last].WrittenAt - commits[first].WrittenAt).TotalSeconds;
    }

    public void Dispose()
    {
        if (_deleted) return;
        _deleted = true;
        Child.KillAll();
        Directory.Delete(Folder, recursive: true);
    }
}
