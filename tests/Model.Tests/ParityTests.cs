using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public class ParityTests
{
    [Fact]
    public void Hidden_states_routing_and_logits_are_those_of_the_published_code()
    {
        using var parity = new ParityCase("v3-tiny");
        using var replica = new ModelReplica(parity.Layout, parity.Parameters);
        var seen = new Dictionary<string, double>();
        var indices = new Dictionary<string, long[]>();
        float[] logits = replica.Observe(parity.Rows, parity.Length, parity.Tokens, (name, value) =>
        {
            if (name.EndsWith("topk_indices", StringComparison.Ordinal)) indices[name] = [.. value.data<int>().Select(i => (long)i)];
            else if (name.EndsWith("topk_weights", StringComparison.Ordinal)) indices[name] = [];
            else seen[name] = ParityCase.WorstDifference(value.Values().ToArray(), parity.Floats(name));
        });
        Assert.True(ParityCase.WorstDifference(logits, parity.Floats("logits")) <= 3e-5);
        foreach (var (name, difference) in seen) Assert.True(difference <= (name.StartsWith("router", StringComparison.Ordinal) ? 5e-6 : 5e-5), $"{name}: {difference}");
        int k = parity.Layout.Config.NumExpertsPerTok;
        foreach (var (name, actual) in indices.Where(pair => pair.Value.Length > 0))
            Assert.Equal(parity.Integers(name).Chunk(k).Select(row => string.Join(',', row.Order())), actual.Chunk(k).Select(row => string.Join(',', row.Order())));
        Assert.Equal(4, indices.Count);
        Assert.Equal(2 + 3 + 2, seen.Count);
    }

    [Fact]
    public void Loss_and_all_gradients_are_those_of_the_published_code()
    {
        using var parity = new ParityCase("v3-tiny");
        using var gradient = new NativeBuffer(parity.Layout.TotalLength);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters);
        long tokens = parity.Rows * (parity.Length - 1);
        RankResult result = replica.ComputeRank([parity.Batch], tokens, 0, gradient);
        Assert.Equal(tokens, result.LossTokens);
        Assert.Equal(parity.Floats("loss")[0], result.LossSum / tokens, 3e-6);
        Assert.Equal(result.LossSum, replica.SumLoss(parity.Batch));
        foreach (ParameterInfo p in parity.Layout.Parameters)
        {
            ReadOnlySpan<float> actual = gradient.Slice(p.Offset, (int)p.Length);
            if (p.Kind == ParameterKind.RouterBias) Assert.True(actual.IndexOfAnyExcept(0f) < 0);
            else
            {
                double difference = ParityCase.WorstDifference(actual, parity.Floats("grad." + p.Name));
                Assert.True(difference <= 3e-6, $"{p.Name}: {difference}");
            }
        }
    }

    [Fact]
    public void Tokens_per_expert_are_exact()
    {
        using var parity = new ParityCase("v3-tiny");
        using var gradient = new NativeBuffer(parity.Layout.TotalLength);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters);
        // The expected counts cover all positions, so each row gets one more token to predict, masked or not.
        int[] longer = [.. parity.Tokens.Chunk(parity.Length).SelectMany(row => row.Append(0))];
        RankResult result = replica.ComputeRank([new MicroBatch(parity.Rows, parity.Length, longer, null)], 1, 0, gradient);
        Assert.Equal([.. parity.Integers("router.layers.1.tokens_per_expert"), .. parity.Integers("router.layers.2.tokens_per_expert")], result.TokensPerExpert);
    }

    [Fact]
    public void Greedy_continuation_is_that_of_the_published_code()
    {
        using var parity = new ParityCase("v3-tiny");
        using var replica = new ModelReplica(parity.Layout, parity.Parameters);
        using JsonDocument greedy = JsonDocument.Parse(File.ReadAllText(Path.Combine(parity.Folder, "greedy.json")));
        int[] prompt = greedy.RootElement.GetProperty("prompt").Deserialize<int[]>()!, expected = greedy.RootElement.GetProperty("generated").Deserialize<int[]>()!;
        Assert.Equal(expected, replica.Generate(prompt, expected.Length, 0, 1));
    }
}
