using System.Globalization;
using System.Text.Json.Nodes;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Tests.Control;
using ElasticTrain.Host.Tests.Harness;
using RunFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>One event as <c>events --json</c> prints it.</summary>
public sealed record PrintedEvent(long Sequence, string Name, JsonNode Data)
{
    public long Step => Data["step"]!.GetValue<long>();

    public long Term => Data["term"]!.GetValue<long>();

    public override string ToString() => $"{Sequence} {Name} {Data.ToJsonString()}";
}

/// <summary>A run in a temporary folder, worked on through the real executable only; just the waiting for a step reads the journal itself, because it must be quick.</summary>
/// <param name="settings">Plan settings over tiny.conf, as <c>path=value</c>.</param>
public sealed class ElasticRun(params string[] settings) : IDisposable
{
    /// <summary>Three cold .NET processes on two busy cores take their time.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    private readonly List<ProcessUnderTest> trainings = [];

    public RunFolder Folder { get; } = new();

    /// <summary>Starts <c>train</c>; a second start resumes.</summary>
    public ProcessUnderTest Train(long steps, int? nodes = null, IReadOnlyDictionary<string, string?>? environment = null, params string[] more)
    {
        List<string> arguments = ["train", Path.Combine(Executable.Root, "hocon", "plans", "tiny.conf"), "--run-dir", Folder, "--steps", Text(steps)];
        // A dead node comes back soon: the tests' time goes into what happens then.
        if (nodes is { } n) arguments.AddRange(["--nodes", Text(n), "--restart-after", "0.5"]);
        foreach (string setting in settings) arguments.AddRange(["--set", setting]);
        ProcessUnderTest training = ProcessUnderTest.Start(Executable.ElasticTrain, [.. arguments, .. more], environment);
        trainings.Add(training);
        return training;
    }

    /// <summary>Starts <c>train</c> and waits for its end, which must be exit code 0.</summary>
    public async Task TrainToEndAsync(long steps, int? nodes = null, params string[] more) => await FinishAsync(Train(steps, nodes, null, more));

    /// <summary>Waits for a training to end with exit code 0.</summary>
    public async Task FinishAsync(ProcessUnderTest training)
    {
        int code = await training.WaitForExitAsync(Patience);
        if (code != 0) Assert.Fail($"train ended with code {code}.\n{Describe()}");
    }

    /// <summary>Runs a command on this run's folder.</summary>
    public Task<(int ExitCode, string Output)> CommandAsync(string name, params string[] arguments) =>
        ProcessUnderTest.RunAsync(Executable.ElasticTrain, [name, "--run-dir", Folder, .. arguments], deadline: Patience);

    /// <summary>Runs a command that must succeed, and gives what it printed.</summary>
    public async Task<string> SucceedAsync(string name, params string[] arguments)
    {
        (int code, string output) = await CommandAsync(name, arguments);
        if (code != 0) Assert.Fail($"{name} ended with code {code}: {output}\n{Describe()}");
        return output;
    }

    public async Task<RunDigest> DigestAsync() => RunDigest.Parse(await SucceedAsync("digest", "--json"));

    public async Task<RunStatusShape> StatusAsync() => RunStatusShape.Parse(await SucceedAsync("status", "--json"));

    public async Task<IReadOnlyList<PrintedEvent>> EventsAsync() =>
        [.. JsonNode.Parse(await SucceedAsync("events", "--json"))!.AsArray().Select(e =>
            new PrintedEvent(e!["sequence"]!.GetValue<long>(), e["event"]!.GetValue<string>(), e["data"]!))];

    /// <summary>Events of one name.</summary>
    public async Task<IReadOnlyList<PrintedEvent>> EventsAsync(string name) => [.. (await EventsAsync()).Where(e => e.Name == name)];

    /// <summary>Waits until a step is committed; fails at once if the training ends without it.</summary>
    public Task ReachesStepAsync(long step, ProcessUnderTest training) =>
        ReachesAsync(e => e is StepCommitted committed && committed.Step.Value >= step, $"step {step} is committed", training);

    /// <summary>Waits for an event of the journal; fails at once if the training ends without it.</summary>
    public async Task ReachesAsync(Func<IRunEvent, bool> isIt, string what, ProcessUnderTest training)
    {
        long seen = 0;
        await Wait.UntilAsync(() =>
        {
            if (training.HasExited) Assert.Fail($"train ended with code {training.ExitCode} and still not: {what}.\n{Describe()}");
            if (Journal() is not { } journal) return false;
            bool found = false;
            foreach (JournaledEvent e in journal.Read(seen))
            {
                seen = e.SequenceNumber;
                found |= isIt(e.Event);
            }
            return found;
        }, what, Patience, Describe);
    }

    /// <summary>A status with a coordinator and with shards on nodes: the run is under way.</summary>
    public async Task<RunStatusShape> PlacedAsync()
    {
        RunStatusShape? status = null;
        for (DateTime start = DateTime.UtcNow; DateTime.UtcNow - start < Patience;)
        {
            status = await StatusAsync();
            if (status.Coordinator is not null && status.Workers.Count > 0 && status.Shards.Count > 0) return status;
        }
        throw new TimeoutException($"The shards are not placed: {status}.\n{Describe()}");
    }

    /// <summary>Freezes the embedding and the layers up to one from a step on.</summary>
    public async Task FreezeAtAsync(long step, int lastLayer = 1, bool drop = false) =>
        await Folder.AcceptedAsync("freeze", ("layers", Text(lastLayer)), ("moments", drop ? "drop" : "keep"), ("at", Text(step)));

    /// <summary>Stops the steps, at once: the process of a command may start when a short run is over.</summary>
    public async Task PauseAsync() => await Folder.AcceptedAsync("pause");

    /// <summary>Goes on after <see cref="PauseAsync"/>.</summary>
    public async Task ResumeAsync() => await Folder.AcceptedAsync("resume");

    /// <summary>Lets a node go.</summary>
    public async Task DrainAsync(string node) => await Folder.AcceptedAsync("drain", ("node", node));

    /// <summary>Trains everything from a step on.</summary>
    public async Task ThawAtAsync(long step) => await Folder.AcceptedAsync("thaw", ("at", Text(step)));

    /// <summary>Changes the optimizer from a step on.</summary>
    public async Task AmendAtAsync(long step, params string[] settings) => await Folder.AcceptedAsync("amend", ("settings", string.Join('\n', settings)), ("at", Text(step)));

    /// <summary>Takes samples from prepared data from a step on.</summary>
    public async Task AttachAtAsync(long step, string path, bool replace) => await Folder.AcceptedAsync("attach", ("path", path), ("replace", replace ? "yes" : "no"), ("at", Text(step)));

    /// <summary>What the processes of this run said, for a failure's message.</summary>
    public string Describe() => $"{string.Join('\n', trainings.Select((t, i) => $"== train {i + 1}\n{t.Output}"))}\n{Folder.Describe()}";

    public void Dispose()
    {
        foreach (ProcessUnderTest training in trainings) training.Dispose();
        Folder.Dispose();
    }

    private JournalReader? journal;

    private JournalReader? Journal()
    {
        if (journal is not null) return journal;
        if (!File.Exists(Folder.File("run.json")) || !File.Exists(Folder.File("plan.conf"))) return null;
        var folder = Actors.Runs.RunFolder.Open(Folder);
        return journal = new JournalReader(new JournalSettings(RunSession.LoadPlan(folder).Journal, folder), folder.Run);
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
