using ElasticTrain.Data;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Tests.Control;
using ElasticTrain.Host.Tests.Harness;
using Xunit.Abstractions;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>Data attached, the optimizer amended and layers frozen while a run goes on: journaled with the steps from which they hold, so that nothing that happens to processes changes a bit.</summary>
[Collection(ElasticRuns.Name)]
public sealed class IncrementalTests : IDisposable
{
    private const long Steps = 110, AttachedAt = 45, AmendedAt = 55, FrozenAt = 65, ReplacedAt = 75;
    private readonly References references;
    private readonly Chance chance;
    private readonly string folder = Directory.CreateTempSubdirectory("elastictrain-attached-").FullName;
    private readonly string more, other;

    public IncrementalTests(References references, ITestOutputHelper output)
    {
        (this.references, chance) = (references, new Chance(output));
        // Prompts have a mask, so that the number of counted tokens differs from step to step too.
        more = Prepare("more", references.PromptFile);
        other = Prepare("other", Text("other", 3));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Attached_data_an_amended_optimizer_and_frozen_layers_give_the_same_bits_on_any_processes_also_when_they_are_killed()
    {
        using ElasticRun whole = references.NewRun(), several = references.NewRun(), killed = references.NewRun();
        ProcessUnderTest training = await BeginAsync(whole);
        await whole.FinishAsync(training);
        RunDigest expected = await whole.DigestAsync();
        Assert.Equal(AttachedAt, (await references.DigestAsync(Steps)).FirstDifference(expected));
        Assert.Contains($"steps 1 to {Steps} replayed", await whole.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);
        string status = await whole.SucceedAsync("status");
        Assert.Contains($"amended from step {AmendedAt} on: optimizer.learning-rate=0.0001, optimizer.schedule.type=linear, optimizer.weight-decay=0.3", status, StringComparison.Ordinal);
        Assert.Contains($"data from step {ReplacedAt} on: {other}", status, StringComparison.Ordinal);

        training = await BeginAsync(several, nodes: 2);
        await several.ReachesStepAsync(AmendedAt + 1, training);
        Signal.Send(chance.Pick([.. ((string[])["node-1", "node-2"]).Select(n => several.Folder.Pid(n)).OfType<int>()]), Signal.Kill);
        await several.FinishAsync(training);
        (await several.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{several.Describe()}");

        training = await BeginAsync(killed);
        foreach (long moment in (long[])[chance.Step(10, AttachedAt - 5), AttachedAt, AmendedAt - 1, chance.Step(FrozenAt, ReplacedAt + 10)])
        {
            await killed.ReachesStepAsync(moment, training);
            training.Kill();
            await training.WaitForExitAsync();
            training = killed.Train(Steps);
        }
        await killed.FinishAsync(training);
        (await killed.DigestAsync()).ShouldBe(expected, () => $"seed {chance.Seed}\n{killed.Describe()}");
        foreach (string name in (string[])["PlanAmended", "LayersFrozen"]) Assert.Single(await killed.EventsAsync(name));
        Assert.Equal(2, (await killed.EventsAsync("DataAttached")).Count);
    }

    [Fact]
    public async Task Each_kind_of_command_alone_changes_the_run_from_its_step_on_and_no_earlier()
    {
        RunDigest plain = await references.DigestAsync(Steps);
        using ElasticRun attached = references.NewRun(), amended = references.NewRun();
        ProcessUnderTest training = attached.Train(Steps);
        await attached.ReachesStepAsync(1, training);
        await attached.AttachAtAsync(AttachedAt, other, replace: true);
        await attached.FinishAsync(training);
        RunDigest replaced = await attached.DigestAsync();
        Assert.Equal(AttachedAt, plain.FirstDifference(replaced));
        Assert.NotEqual(plain.Steps[(int)AttachedAt - 1].Loss, replaced.Steps[(int)AttachedAt - 1].Loss);

        training = amended.Train(Steps);
        await amended.ReachesStepAsync(1, training);
        await amended.AmendAtAsync(AmendedAt, "optimizer.weight-decay=0.5");
        await amended.FinishAsync(training);
        RunDigest decayed = await amended.DigestAsync();
        Assert.Equal(AmendedAt, plain.FirstDifference(decayed));
        // The loss of the step itself comes before its update.
        Assert.Equal(plain.Steps[(int)AmendedAt - 1].Loss, decayed.Steps[(int)AmendedAt - 1].Loss);
        Assert.NotEqual(plain.Steps[(int)AmendedAt].Loss, decayed.Steps[(int)AmendedAt].Loss);
    }

    [Fact]
    public async Task Data_that_are_not_what_the_journal_names_are_refused_and_nothing_is_lost()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(Steps);
        await run.ReachesStepAsync(1, training);
        await run.PauseAsync();
        await run.AttachAtAsync(AttachedAt, other, replace: true);
        string content = (await run.EventsAsync("DataAttached"))[0].Data["data"]!["content"]!.GetValue<string>();
        string kept = other + ".kept";
        Directory.Move(other, kept);
        string wrong = Prepare("other", Text("wrong", 4));
        Assert.Equal(other, wrong);
        await run.SucceedAsync("resume");
        await RefusedAsync($"expected {content}, as the run's journal names it");
        Assert.Equal(AttachedAt - 1, (await run.DigestAsync()).Steps.Count);

        Directory.Delete(other, recursive: true);
        training = run.Train(Steps);
        await RefusedAsync("a prepared corpus");

        // The right folder, but with a token changed: its length and its index are good.
        Directory.Move(kept, other);
        string tokens = Assert.Single(Directory.GetFiles(other, "*.bin", SearchOption.AllDirectories), f => Path.GetFileName(Path.GetDirectoryName(f)) == "train");
        byte[] good = await File.ReadAllBytesAsync(tokens), bad = [.. good];
        bad[100] ^= 1;
        await File.WriteAllBytesAsync(tokens, bad);
        training = run.Train(Steps);
        await RefusedAsync(tokens);

        await File.WriteAllBytesAsync(tokens, good);
        await run.TrainToEndAsync(Steps);
        Assert.Contains($"steps 1 to {Steps} replayed", await run.SucceedAsync("verify", "--from", "0"), StringComparison.Ordinal);

        async Task RefusedAsync(string reason)
        {
            int code = await training.WaitForExitAsync(ElasticRun.Patience);
            Assert.True(code == 2, $"train ended with {code}:\n{training.Output}");
            Assert.Contains("cannot read the data of step", training.Output, StringComparison.Ordinal);
            Assert.Contains("found", training.Output, StringComparison.Ordinal);
            Assert.Contains(reason, training.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Commands_with_mistakes_end_with_2_name_them_and_change_nothing()
    {
        using ElasticRun run = references.NewRun();
        ProcessUnderTest training = run.Train(60);
        await run.ReachesStepAsync(5, training);
        await run.PauseAsync();
        string tiny = Directory.CreateDirectory(Path.Combine(folder, "tiny")).FullName;
        foreach (string name in (string[])["a", "b"]) await File.WriteAllTextAsync(Path.Combine(tiny, $"{name}.txt"), name);
        await RefusedAsync("--set optimizer.betas: found a key that cannot change while the run goes on, expected one of optimizer.learning-rate", "amend", "--set", "optimizer.betas=[0.9,0.9]");
        await RefusedAsync("--set optimizer.clip: found \"none\", expected a number of at least 0", "amend", "--set", "optimizer.clip=none");
        await RefusedAsync("--set: found 'optimizer.clip', expected path=value", "amend", "--set", "optimizer.clip");
        await RefusedAsync("--at: found 2, expected ", "amend", "--set", "optimizer.clip=1", "--at", "2");
        await RefusedAsync("--at: found 2, expected ", "attach", "--input", other, "--at", "2");
        await RefusedAsync("nowhere: found no such file or folder, expected ", "attach", "--input", Path.Combine(folder, "nowhere"));
        await RefusedAsync("expected at least one row", "attach", "--input", tiny);
        await RefusedAsync("--input", "attach");
        Assert.Empty(await run.EventsAsync("PlanAmended"));
        Assert.Empty(await run.EventsAsync("DataAttached"));

        // Text is prepared in the run's folder, under its content; a retry of a command is not a second one.
        Assert.Contains("samples come from attached/", await run.SucceedAsync("attach", "--input", Text("new", 5), "--at", "40"), StringComparison.Ordinal);
        var again = ControlRequest.New("amend", new Dictionary<string, string> { ["settings"] = "optimizer.clip=2", ["at"] = "50" });
        Assert.True((await run.Folder.SendAsync(again)).Ok && (await run.Folder.SendAsync(again)).Ok);
        Assert.Single(await run.EventsAsync("PlanAmended"));
        await run.SucceedAsync("resume");
        await run.FinishAsync(training);
        Assert.Equal(40, (await references.DigestAsync(60)).FirstDifference(await run.DigestAsync()));

        async Task RefusedAsync(string reason, string command, params string[] arguments)
        {
            (int code, string output) = await run.CommandAsync(command, arguments);
            Assert.True(code == 2, $"{command} {string.Join(' ', arguments)} ended with {code}: {output}");
            Assert.Contains(reason, output, StringComparison.Ordinal);
        }
    }

    /// <summary>Starts a run and gives it all commands before the first of their steps.</summary>
    private async Task<ProcessUnderTest> BeginAsync(ElasticRun run, int? nodes = null)
    {
        ProcessUnderTest training = run.Train(Steps, nodes);
        await run.ReachesStepAsync(1, training);
        await run.PauseAsync();
        await run.AttachAtAsync(AttachedAt, more, replace: false);
        await run.AmendAtAsync(AmendedAt, "optimizer.learning-rate=1e-4", "optimizer.schedule.type=linear", "optimizer.weight-decay=0.3");
        await run.FreezeAtAsync(FrozenAt, drop: true);
        await run.AttachAtAsync(ReplacedAt, other, replace: true);
        await run.SucceedAsync("resume");
        return training;
    }

    private string Prepare(string name, string input)
    {
        string place = Path.Combine(folder, name);
        Corpus.PrepareOrOpen(place, new CorpusOptions(input)).Dispose();
        return place;
    }

    private string Text(string name, int seed)
    {
        string file = Path.Combine(folder, $"{name}.txt");
        var random = new Random(seed);
        File.WriteAllText(file, string.Join("\n\n", Enumerable.Range(0, 150).Select(_ => string.Concat(Enumerable.Range(0, 120).Select(_ => (char)('a' + random.Next(26)))))));
        return file;
    }
}
