using System.Text.Json;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Host.Tests.Harness;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Storage;

/// <summary>One run killed in the middle, with two checkpoints; each test damages a copy of it.</summary>
public sealed class KilledRun : IDisposable
{
    private TestFolder? folder;

    public async Task<TestFolder> CopyAsync(SmallRuns runs)
    {
        if (folder is null)
        {
            folder = new TestFolder();
            using ProcessUnderTest train = runs.Train(folder);
            await SmallRuns.WaitForAsync(folder, train, s => s.Seals.Count >= 2 && s.Committed.Count >= 25, "two checkpoints and step 25");
            train.Kill();
            await train.WaitForExitAsync();
            Assert.True(SmallRuns.State(folder).Committed.Count < SmallRuns.Steps, "the run was to be killed in the middle");
        }
        return SmallRuns.Copy(folder);
    }

    public void Dispose() => folder?.Dispose();
}

[Collection(SmallRunsCollection.Name)]
public sealed class DamagedCheckpointTests(SmallRuns runs, KilledRun killed) : IClassFixture<KilledRun>
{
    private static readonly Dictionary<string, Action<string>> Damages = new()
    {
        ["truncated blob"] = path => Truncate(path, 100),
        ["flipped bit in a blob"] = FlipBit,
        ["missing blob"] = File.Delete,
    };

    [Theory]
    [InlineData("truncated blob")]
    [InlineData("flipped bit in a blob")]
    [InlineData("missing blob")]
    public async Task A_damaged_blob_of_the_newest_checkpoint_makes_the_run_go_on_from_the_one_before_it(string damage)
    {
        using TestFolder run = await killed.CopyAsync(runs);
        var (newest, before) = NewestTwo(run);
        string blob = Blob(run, newest);
        Damages[damage](blob);
        string output = await runs.FinishAsync(run);
        AssertNamed(output, blob);
        Assert.Contains($"the checkpoint of step {before}", output);
        Assert.Equal(before, SmallRuns.Events(run).OfType<ReplicasPlaced>().Last().From.Step);
        await runs.AssertSameAsync(run);
    }

    [Fact]
    public async Task A_torn_newest_manifest_makes_the_run_go_on_from_the_checkpoint_before_it()
    {
        using TestFolder run = await killed.CopyAsync(runs);
        var (newest, before) = NewestTwo(run);
        string manifest = Manifest(run, newest);
        Truncate(manifest, (int)(new FileInfo(manifest).Length / 2));
        string output = await runs.FinishAsync(run);
        AssertNamed(output, manifest);
        Assert.Contains($"the checkpoint of step {before}", output);
        Assert.Equal(before, SmallRuns.Events(run).OfType<ReplicasPlaced>().Last().From.Step);
        await runs.AssertSameAsync(run);
    }

    [Fact]
    public async Task With_every_checkpoint_damaged_the_run_is_replayed_from_the_beginning()
    {
        using TestFolder run = await killed.CopyAsync(runs);
        string[] blobs = Directory.GetFiles(run.File("checkpoints", "blobs"));
        foreach (string blob in blobs) FlipBit(blob);
        string output = await runs.FinishAsync(run);
        Assert.Contains("the initial state", output);
        Assert.Equal(Step.Zero, SmallRuns.Events(run).OfType<ReplicasPlaced>().Last().From.Step);
        await runs.AssertSameAsync(run);
    }

    [Fact]
    public async Task Undamaged_the_newest_checkpoint_is_used()
    {
        using TestFolder run = await killed.CopyAsync(runs);
        var (newest, _) = NewestTwo(run);
        await runs.FinishAsync(run);
        Assert.Equal(newest, SmallRuns.Events(run).OfType<ReplicasPlaced>().Last().From.Step);
        await runs.AssertSameAsync(run);
    }

    [Theory]
    [InlineData("truncated blob")]
    [InlineData("flipped bit in a blob")]
    [InlineData("missing blob")]
    public async Task A_damaged_final_checkpoint_of_a_finished_run_is_mended_by_running_it_again(string damage)
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        string blob = Blob(run, new Step(SmallRuns.Steps));
        Damages[damage](blob);
        string output = await runs.FinishAsync(run);
        AssertNamed(output, blob);
        await runs.AssertSameAsync(run);
        using var content = File.OpenRead(blob);
        Assert.Equal(Path.GetFileNameWithoutExtension(blob), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)));
    }

    private static void AssertNamed(string output, string path)
    {
        string line = Assert.Single(output.Split('\n').Where(l => l.Contains(path, StringComparison.Ordinal)).Distinct());
        Assert.Contains("found", line);
        Assert.Contains("expected", line);
    }

    private static (Step Newest, Step Before) NewestTwo(TestFolder run)
    {
        Step[] seals = [.. SmallRuns.State(run).Seals.Select(s => s.Version.Step).OrderDescending()];
        return (seals[0], seals[1]);
    }

    private static string Manifest(TestFolder run, Step step) => run.File("checkpoints", "manifests", $"{step.Value:D10}.json");

    private static string Blob(TestFolder run, Step step)
    {
        using var manifest = JsonDocument.Parse(File.ReadAllBytes(Manifest(run, step)));
        string hash = manifest.RootElement.GetProperty("blobs")[2].GetProperty("hash").GetString()!;
        return run.File("checkpoints", "blobs", $"{hash}.safetensors");
    }

    private static void Truncate(string path, int length)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(length);
    }

    private static void FlipBit(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = file.Length / 2;
        int value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 0x10));
    }
}
