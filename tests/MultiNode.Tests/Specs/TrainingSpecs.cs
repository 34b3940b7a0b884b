using System.Globalization;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Chaos;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.MultiNode.Tests.Kit;
using RunFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>Whatever happens between the nodes of a run, its steps and its weights are those of one undisturbed process.</summary>
public sealed class TrainingSpecs(UndisturbedRun undisturbed) : IClassFixture<UndisturbedRun>
{
    [Fact]
    public Task A_cut_between_coordinator_and_worker_that_heals_in_time_does_not_change_a_bit() => undisturbed.CompareAsync<HealedCutSpec>();

    /// <summary>The others train on for the seconds that it takes to put nodes out: the run must be longer than that on a fast machine.</summary>
    [Fact]
    public Task A_cut_between_coordinator_and_worker_that_puts_nodes_out_does_not_change_a_bit() => undisturbed.CompareAsync<LastingCutSpec>(UndisturbedRun.Steps);

    [Fact]
    public Task A_worker_that_is_stopped_in_a_step_and_continued_ten_steps_later_does_not_change_a_bit() => undisturbed.CompareAsync<StoppedWorkerSpec>();

    [Fact]
    public Task Killing_the_coordinators_node_does_not_change_a_bit() => undisturbed.CompareAsync<KilledCoordinatorSpec>();

    [SkippableFact]
    public Task A_worker_whose_network_link_is_down_for_a_moment_and_then_for_long_does_not_change_a_bit()
    {
        string? whyNot = NetworkNamespaces.WhyNot();
        Skip.If(whyNot is not null, whyNot);
        return undisturbed.CompareAsync<LinkDownSpec>();
    }
}

/// <summary>The plan that the training specs share, and one undisturbed run of it in one process by the real executable.</summary>
public sealed class UndisturbedRun : IAsyncLifetime
{
    /// <summary>How long it is. A spec's run may end earlier.</summary>
    public const long Steps = 450;

    private const long ShortRun = 200;

    private readonly RunFolder _folder = new(), _texts = new();
    private Plan? _plan;
    private IReadOnlyList<Actors.Hosting.JournaledEvent> _history = [];

    public async Task InitializeAsync()
    {
        string text = _texts.File("text.txt"), plan = Path.Combine(Executable.Root, "hocon", "plans", "tiny.conf");
        await File.WriteAllTextAsync(text, Text());
        Dictionary<string, string> settings = new() { ["data.input"] = text, ["phases.0.steps"] = Steps.ToString(CultureInfo.InvariantCulture), ["checkpoint.every"] = "10" };
        _plan = Plan.Load(plan, [.. settings]);
        (int code, string output) = await ProcessUnderTest.RunAsync(
            Executable.ElasticTrain, ["train", plan, "--run-dir", _folder, .. settings.SelectMany(s => (string[])["--set", $"{s.Key}={s.Value}"])], deadline: TimeSpan.FromSeconds(60));
        Assert.True(code == 0, output);
        _history = History(_folder);
    }

    /// <summary>Plays a spec on a run of its own, and compares each step's loss and digest and the final state; checks the journal's invariants.</summary>
    public async Task CompareAsync<TSpec>(long steps = ShortRun)
        where TSpec : MultiNodeSpec, IMultiNodeSpec
    {
        using var run = new RunFolder();
        using (RunSession.Prepare(_plan!, run, _ => { }))
        {
            // The nodes find a run that is there already.
        }
        await SpecPlayer.PlayAsync<TSpec>((TrainingSpec.Folder, run), (TrainingSpec.Steps, steps.ToString(CultureInfo.InvariantCulture)));
        IReadOnlyList<Actors.Hosting.JournaledEvent> history = History(run);
        IReadOnlyList<string> digest = Digest(history, steps);
        Assert.Equal(steps + 1, digest.Count);
        Assert.Equal(Digest(_history, steps), digest);
        Assert.Empty(HistoryChecker.Violations(history));
    }

    public Task DisposeAsync()
    {
        _folder.Dispose();
        _texts.Dispose();
        return Task.CompletedTask;
    }

    private IReadOnlyList<Actors.Hosting.JournaledEvent> History(string folder)
    {
        var watch = new JournalWatch(folder, _plan!);
        watch.Poll();
        return watch.History;
    }

    /// <summary>What <c>elastictrain digest</c> prints of a run's first steps.</summary>
    private static IReadOnlyList<string> Digest(IReadOnlyList<Actors.Hosting.JournaledEvent> history, long steps)
    {
        RunState state = history.Aggregate(RunState.Empty, (s, e) => s.Apply(e.Event));
        return
        [
            .. state.Committed.Where(c => c.Step.Value <= steps).Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Step} {c.LossBits:x8} {c.Digest}")),
            $"state {state.Seals.First(s => s.Version.Step.Value == steps).State}",
        ];
    }

    private static string Text()
    {
        string[] words = ["a", "partition", "is", "healed", "or", "not", "and", "the", "sum", "of", "every", "step", "stays", "what", "it", "was"];
        var random = new Random(5);
        return string.Join(' ', Enumerable.Range(0, 8000).Select(_ => words[random.Next(words.Length)]));
    }
}

/// <summary>Control messages between the two are lost for less time than it takes to be put out of the cluster.</summary>
internal sealed class HealedCutSpec(SpecNode node) : TrainingSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => Training;

    protected override void Disturb()
    {
        foreach (Direction direction in (Direction[])[Direction.Both, Direction.Send, Direction.Receive])
        {
            Role coordinator = Coordinator(), worker = Worker();
            TestConductor.Blackhole(coordinator, worker, direction);
            ExpectNoMsg(TimeSpan.FromSeconds(1)); // long enough for several steps to lose their messages
            TestConductor.PassThrough(coordinator, worker, direction);
            AwaitProgress(5);
        }
    }
}

internal sealed class LastingCutSpec(SpecNode node) : TrainingSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => Training;

    protected override void Disturb()
    {
        long terms = Terms();
        TestConductor.Blackhole(Coordinator(), Worker(), Direction.Both);
        AwaitCondition(() => Terms() > terms, Patience, TimeSpan.FromMilliseconds(50));
        AwaitProgress(5);
    }
}

internal sealed class StoppedWorkerSpec(SpecNode node) : TrainingSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => Training;

    protected override void Disturb()
    {
        Role worker = Worker();
        TestConductor.Stop(worker);
        AwaitProgress(10);
        TestConductor.Continue(worker);
        AwaitProgress(5);
    }
}

internal sealed class KilledCoordinatorSpec(SpecNode node) : TrainingSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => Training;

    protected override void Disturb()
    {
        Role coordinator = Coordinator();
        long terms = Terms();
        TestConductor.Kill(coordinator);
        AwaitCondition(() => Terms() > terms, Patience, TimeSpan.FromMilliseconds(50));
        Assert.NotEqual(coordinator, Coordinator());
        TestConductor.Start(coordinator);
        AwaitProgress(5);
    }
}

/// <summary>In network namespaces: Akka's messages and the data plane's tensors are cut alike, and nobody is told.</summary>
internal sealed class LinkDownSpec(SpecNode node) : TrainingSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => TrainingWith(inNamespaces: true);

    protected override void Disturb()
    {
        Role worker = Worker();
        TestConductor.LinkDown(worker);
        ExpectNoMsg(TimeSpan.FromSeconds(1)); // less than the failure detector's patience
        TestConductor.LinkUp(worker);
        AwaitProgress(5);
        TestConductor.LinkDown(worker);
        AwaitProgress(10);
        TestConductor.LinkUp(worker);
        AwaitProgress(5);
    }
}
