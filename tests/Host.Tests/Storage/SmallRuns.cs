using System.Globalization;
using System.Text;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Tests.Harness;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Storage;

/// <summary>The tests of this collection start real processes: one at a time, beside those of one other collection, since most of their time is waiting. They share one undisturbed run.</summary>
[CollectionDefinition(Name)]
public sealed class SmallRunsCollection : ICollectionFixture<SmallRuns>
{
    public const string Name = "small runs";
}

/// <summary>
/// A small plan over a text of its own (60 steps of some tens of milliseconds, a checkpoint every 10), one undisturbed run of it in one process,
/// and the commands around runs.
/// </summary>
public sealed class SmallRuns : IAsyncLifetime
{
    public const int Steps = 60;

    private readonly string folder = Directory.CreateTempSubdirectory("elastictrain-small-").FullName;

    /// <summary>The undisturbed run, finished; not to be changed.</summary>
    public TestFolder Undisturbed { get; } = new();

    /// <summary>What <c>digest</c> says about it.</summary>
    public string Digest { get; private set; } = "";

    public string PlanFile => Path.Combine(folder, "small.conf");

    /// <summary>The same with more steps, for tests that need time.</summary>
    public string LongPlanFile => Path.Combine(folder, "long.conf");

    public async Task InitializeAsync()
    {
        string text = Path.Combine(folder, "text.txt");
        await File.WriteAllTextAsync(text, Text());
        await File.WriteAllTextAsync(PlanFile, Plan(text, Steps));
        await File.WriteAllTextAsync(LongPlanFile, Plan(text, 6000));
        await FinishAsync(Undisturbed);
        Digest = await DigestAsync(Undisturbed);
        Assert.Equal(Steps + 1, Digest.Split('\n').Length);
    }

    private static string Plan(string text, int steps) => $$"""
            name = small
            seed = 7
            model { preset = tiny }
            data { input = "{{text}}" }
            batch { train-batch-size = 32, micro-batch-size = 2, gradient-accumulation-steps = 1, sequence-length = 32 }
            phases = [ { name = pretrain, steps = {{steps}} } ]
            optimizer { learning-rate = 3e-3, schedule { type = cosine, warmup-steps = 5, min-ratio = 0.1 } }
            checkpoint { every = 10, keep = 2 }
            """;

    public Task DisposeAsync()
    {
        Undisturbed.Dispose();
        Directory.Delete(folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>Starts <c>train</c>.</summary>
    public ProcessUnderTest Train(TestFolder run, params string[] more) => TrainPlan(PlanFile, run, more);

    /// <summary>Starts <c>train</c> with another plan.</summary>
    public static ProcessUnderTest TrainPlan(string plan, TestFolder run, params string[] more) =>
        ProcessUnderTest.Start(Executable.ElasticTrain, ["train", plan, "--run-dir", run, .. more]);

    /// <summary>Runs <c>train</c> to its end.</summary>
    public async Task<(int Code, string Output)> TrainToEndAsync(TestFolder run, params string[] more)
    {
        using ProcessUnderTest train = Train(run, more);
        int code = await train.WaitForExitAsync(TimeSpan.FromMinutes(3));
        return (code, train.Output);
    }

    /// <summary>Runs <c>train</c> to a good end.</summary>
    public async Task<string> FinishAsync(TestFolder run, params string[] more)
    {
        var (code, output) = await TrainToEndAsync(run, more);
        Assert.True(code == 0, $"train ended with {code}:\n{output}\n{run.Describe()}");
        return output;
    }

    /// <summary>Asserts that a finished run came out as the undisturbed one, and that its final checkpoint is good.</summary>
    public async Task AssertSameAsync(TestFolder run)
    {
        Assert.Equal(Digest, await DigestAsync(run));
        var (code, output) = await CommandAsync("verify", "--run-dir", run);
        Assert.True(code == 0, $"verify ended with {code}:\n{output}");
    }

    /// <summary>A command of elastictrain to its end.</summary>
    public static Task<(int Code, string Output)> CommandAsync(params string[] arguments) =>
        ProcessUnderTest.RunAsync(Executable.ElasticTrain, arguments, deadline: TimeSpan.FromMinutes(2));

    /// <summary>What <c>digest</c> says.</summary>
    public static async Task<string> DigestAsync(TestFolder run)
    {
        var (code, output) = await CommandAsync("digest", "--run-dir", run);
        Assert.True(code == 0, $"digest ended with {code}:\n{output}");
        return output.Trim();
    }

    /// <summary>The events in the journal, read without a process, also while the run writes. Empty while there is no run yet.</summary>
    public static IReadOnlyList<IRunEvent> Events(string directory)
    {
        if (!Actors.Runs.RunFolder.Exists(directory)) return [];
        var run = Actors.Runs.RunFolder.Open(directory);
        if (!File.Exists(run.PlanFile)) return [];
        return [.. new JournalReader(new JournalSettings(RunSession.LoadPlan(run).Journal, run), run.Run).Read().Select(e => e.Event)];
    }

    /// <summary>The journal's fold.</summary>
    public static RunState State(string directory) => Events(directory).Aggregate(RunState.Empty, (state, e) => state.Apply(e));

    /// <summary>Waits until the journal holds what is asked for; fails at once if the process ends before.</summary>
    public static async Task<RunState> WaitForAsync(TestFolder run, ProcessUnderTest train, Func<RunState, bool> condition, string what, TimeSpan? deadline = null)
    {
        RunState state = RunState.Empty;
        await Wait.UntilAsync(() =>
        {
            bool ended = train.HasExited;
            state = State(run);
            if (condition(state)) return true;
            return !ended ? false : throw new InvalidOperationException($"train ended before {what}:\n{train.Output}\n{run.Describe()}");
        }, what, deadline ?? TimeSpan.FromMinutes(2), () => $"{train.Output}\n{run.Describe()}");
        return state;
    }

    /// <summary>Copies a folder to which nothing writes, to the root of a run's folder or to a place in it.</summary>
    public static TestFolder Copy(string from, string to = ".")
    {
        var copy = new TestFolder();
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(copy.Path, to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
        return copy;
    }

    /// <summary>The files of a folder with their content's hash, to show that nothing was changed.</summary>
    public static string Fingerprint(string directory) => string.Join('\n', Directory.GetFiles(directory, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        .Select(file => $"{Path.GetRelativePath(directory, file)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))}"));

    /// <summary>Some hundred kilobytes of sentences that are the same on every machine.</summary>
    private static string Text()
    {
        string[] words = "the a gradient token expert layer router shard replica step journal seal checkpoint returns gets sets represents value of in to and with for".Split(' ');
        var random = new Random(11);
        var text = new StringBuilder();
        for (int document = 0; document < 60; document++)
        {
            for (int sentence = 0; sentence < 20; sentence++)
            {
                for (int word = 0; word < 12; word++) text.Append(words[random.Next(words.Length)]).Append(' ');
                text.Append(CultureInfo.InvariantCulture, $"{random.Next(100)}.\n");
            }
            text.Append('\n');
        }
        return text.ToString();
    }
}
