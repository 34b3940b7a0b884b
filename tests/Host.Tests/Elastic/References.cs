using System.Globalization;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>These tests start processes: one at a time, beside those of one other collection, since the machine has few cores.</summary>
[CollectionDefinition(Name)]
public sealed class ElasticRuns : ICollectionFixture<References>
{
    public const string Name = "elastic runs";
}

/// <summary>Those of them in which nodes die, stop, come and go.</summary>
[CollectionDefinition(Name)]
public sealed class DisturbedRuns : ICollectionFixture<References>
{
    public const string Name = "disturbed runs";
}

/// <summary>The texts that these tests train on, and the undisturbed runs in one process on one device that everything is compared with; each is made once.</summary>
public sealed class References : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("elastictrain-texts-").FullName;
    private readonly Dictionary<string, RunDigest> known = [];

    public References()
    {
        TextFile = Path.Combine(folder, "text.txt");
        File.WriteAllText(TextFile, string.Join("\n\n", Enumerable.Range(0, 200).Select(i => Sentence(i, 40))));
        PromptFile = Path.Combine(folder, "prompts.jsonl");
        File.WriteAllLines(PromptFile, Enumerable.Range(0, 200).Select(i => $$"""{"prompt": "{{Sentence(i, 30)}}", "completion": "{{Sentence(i + 1000, 1 + (i % 8))}}"}"""));
    }

    /// <summary>Plain text, about 40 kB.</summary>
    public string TextFile { get; }

    /// <summary>Prompts of about 170 bytes with completions of 5 to 45: most rows of 32 tokens hold no byte of a completion.</summary>
    public string PromptFile { get; }

    /// <summary>A run of tiny.conf on the text, with a schedule long enough for every test and checkpoints that come often.</summary>
    public string[] Settings => [$"data.input={TextFile}", "phases.0.steps=400", "checkpoint.every=10"];

    public ElasticRun NewRun(params string[] more) => new([.. Settings, .. more]);

    /// <summary>The digest of the undisturbed run.</summary>
    public Task<RunDigest> DigestAsync(long steps, params string[] more) => DigestOfAsync(steps, [.. Settings, .. more]);

    /// <summary>The same with other settings altogether.</summary>
    public Task<RunDigest> DigestOfAsync(long steps, string[] settings) =>
        OnceAsync($"{steps.ToString(CultureInfo.InvariantCulture)} {string.Join(' ', settings)}", run => run.TrainToEndAsync(steps), settings);

    /// <summary>The digest of a run that is made once for all tests that ask by this key.</summary>
    public async Task<RunDigest> OnceAsync(string key, Func<ElasticRun, Task> train, string[]? settings = null)
    {
        if (known.TryGetValue(key, out RunDigest? digest)) return digest;
        using var run = new ElasticRun(settings ?? Settings);
        await train(run);
        digest = await run.DigestAsync();
        Assert.NotNull(digest.State);
        return known[key] = digest;
    }

    /// <summary>The digest of the run whose embedding and layers 0 and 1 are frozen from a step on, and that is not disturbed otherwise.</summary>
    public Task<RunDigest> FrozenDigestAsync(long steps, long frozenFrom) => OnceAsync(string.Create(CultureInfo.InvariantCulture, $"{steps} frozen from {frozenFrom}"), async run =>
    {
        ProcessUnderTest training = run.Train(steps);
        await run.ReachesStepAsync(1, training);
        await run.FreezeAtAsync(frozenFrom);
        await run.FinishAsync(training);
    });

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static string Sentence(int seed, int words)
    {
        string[] vocabulary = ["a", "shard", "is", "summed", "by", "the", "primary", "and", "replica", "of", "every", "step", "in", "order", "rank", "gradient", "lineage", "so", "that", "bits", "agree"];
        var random = new Random(seed);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => vocabulary[random.Next(vocabulary.Length)]));
    }
}
