using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Models;

[Collection(SmallRunsCollection.Name)]
public sealed class ExportTests(SmallRuns runs)
{
    [Fact]
    public async Task What_is_exported_are_the_weights_of_the_newest_sealed_checkpoint()
    {
        using var folder = new TestFolder();
        string output = folder.File("hf"), said = await OkAsync("export", "--run-dir", runs.Undisturbed, "--out", output, "--max-shard-size", "50kB");
        Assert.Contains($"step {SmallRuns.Steps}", said);
        using RunSession session = RunSession.Open(runs.Undisturbed);
        using NativeBuffer parameters = RunWeights.Read(session.Definition, RunWeights.Newest(session, _ => { }));
        var tensors = new Dictionary<string, float[]>();
        foreach (string file in Directory.GetFiles(output, "*.safetensors"))
        {
            using SafetensorsReader reader = SafetensorsReader.Open(file);
            foreach (string name in reader.Entries.Keys) reader.Read(name, tensors[name] = new float[reader.Entries[name].Length]);
        }
        Assert.Equal(session.Definition.Layout.Parameters.Count, tensors.Count);
        foreach (var p in session.Definition.Layout.Parameters) Assert.True(parameters.Slice(p.Offset, (int)p.Length).SequenceEqual(tensors[p.Name]), p.Name);
        await OkAsync("model", "info", output);
        var (code, again) = await SmallRuns.CommandAsync("export", "--run-dir", runs.Undisturbed, "--out", output);
        Assert.True(code == 2, again);
    }

    private static async Task<string> OkAsync(params string[] arguments)
    {
        var (code, said) = await SmallRuns.CommandAsync(arguments);
        Assert.True(code == 0, said);
        return said;
    }
}
