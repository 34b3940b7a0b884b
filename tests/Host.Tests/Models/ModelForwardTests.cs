using ElasticTrain.Core.Safetensors;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Models;

/// <summary>The golden vectors through the executable: every expected tensor is there under its name, with its shape and values.</summary>
public sealed class ModelForwardTests
{
    private static string Parity => Path.Combine(Executable.Root, "tests", "Model.Tests", "Parity");

    [Theory]
    [InlineData("v3-tiny", "config.json", "expected.safetensors")]
    [InlineData("v3-yarn", "config.json", "expected.safetensors")]
    [InlineData("v3-yarn", "config_mscale.json", "expected_mscale.safetensors")]
    [InlineData("v2lite-tiny", "config.json", "expected.safetensors")]
    [InlineData("mtp-tiny", "config.json", "expected.safetensors")]
    [InlineData("mtp-tiny", "raw", "expected_prenorm.safetensors")]
    public async Task Every_expected_tensor_is_written(string name, string config, string expectedFile)
    {
        using var folder = new TestFolder();
        string source = Path.Combine(Parity, name), model = Directory.CreateDirectory(folder.File("model")).FullName, output = folder.File("out.safetensors");
        string text = await File.ReadAllTextAsync(Path.Combine(source, config == "raw" ? "config.json" : config));
        if (config == "raw") text = text.Replace("\"model_type\"", "\"mtp_input\": \"raw\", \"model_type\"", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(model, "config.json"), text);
        File.Copy(Path.Combine(source, "model.safetensors"), Path.Combine(model, "model.safetensors"));
        var (code, said) = await SmallRuns.CommandAsync("model", "forward", "--model", model, "--tokens", Path.Combine(source, "input_ids.json"), "--out", output, "--gradients");
        Assert.True(code == 0, said);

        using SafetensorsReader expected = SafetensorsReader.Open(Path.Combine(source, expectedFile)), actual = SafetensorsReader.Open(output);
        foreach (var (tensor, entry) in expected.Entries)
        {
            Assert.True(actual.Entries.TryGetValue(tensor, out SafetensorsEntry? found), $"no tensor {tensor}");
            Assert.Equal((entry.DataType, string.Join(',', entry.Shape)), (found.DataType, string.Join(',', found.Shape)));
            if (entry.DataType == "I64" || tensor.EndsWith("topk_weights", StringComparison.Ordinal)) continue; // their order is open; the model's own tests sort them
            float[] a = new float[entry.Length], b = new float[entry.Length];
            expected.Read(tensor, a);
            actual.Read(tensor, b);
            double tolerance = tensor.StartsWith("grad", StringComparison.Ordinal) || tensor.EndsWith("loss", StringComparison.Ordinal) ? 3e-6
                : tensor.StartsWith("router", StringComparison.Ordinal) ? 5e-6 : tensor.StartsWith("hidden", StringComparison.Ordinal) ? 5e-5 : 3e-5;
            for (int i = 0; i < a.Length; i++) Assert.True(Math.Abs(a[i] - b[i]) <= tolerance, $"{tensor}[{i}]: {b[i]}, expected {a[i]}");
        }
        if (expectedFile == "expected.safetensors") Assert.Equal(expected.Entries.Keys.Order(), actual.Entries.Keys.Order());
    }

    [Theory]
    [InlineData("{\"input_ids\": [[1, 2], [3]]}", "input_ids[1]")]
    [InlineData("{\"input_ids\": [[1, \"a\"]]}", "input_ids[0][1]")]
    [InlineData("{\"input_ids\": [[1, 160]]}", "token id 160")]
    [InlineData("{\"input_ids\": []}", "input_ids")]
    [InlineData("[1", "no JSON")]
    public async Task Bad_tokens_are_named(string text, string says)
    {
        using var folder = new TestFolder();
        string tokens = folder.File("tokens.json");
        await File.WriteAllTextAsync(tokens, text);
        var (code, said) = await SmallRuns.CommandAsync("model", "forward", "--model", Path.Combine(Parity, "v3-tiny"), "--tokens", tokens, "--out", folder.File("out.safetensors"));
        Assert.True(code == 2, said);
        Assert.Contains(says, said);
        Assert.False(File.Exists(folder.File("out.safetensors")));
    }

    [Theory]
    [InlineData("v3", "671.03 B", "36.63 B")]
    [InlineData("v2-lite", "15.71 B", "2.45 B")]
    [InlineData("hocon/plans/tiny.conf", "parameters", "shards")]
    [InlineData("tests/Model.Tests/Parity/mtp-tiny", "prediction module", "operations")]
    public async Task Info_tells_size_and_cost(string what, params string[] says)
    {
        string path = Path.Combine(Executable.Root, what);
        var (code, said) = await SmallRuns.CommandAsync("model", "info", Path.Exists(path) ? path : what);
        Assert.True(code == 0, said);
        foreach (string part in says) Assert.Contains(part, said);
    }
}
