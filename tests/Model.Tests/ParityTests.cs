using System.Text.Json;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public class ParityTests
{
    public static TheoryData<string> Cases => ["v3-tiny", "v3-yarn", "v2lite-tiny", "mtp-tiny"];

    /// <summary>The cases, and the other reading of the prediction module's input.</summary>
    public static TheoryData<string, string> Readings => new()
    {
        { "v3-tiny", "expected" }, { "v3-yarn", "expected" }, { "v2lite-tiny", "expected" }, { "mtp-tiny", "expected" }, { "mtp-tiny", "expected_prenorm" },
    };

    [Theory]
    [MemberData(nameof(Readings))]
    public void Hidden_states_routing_and_logits_are_those_of_the_published_code(string name, string file)
    {
        using ParityCase parity = Open(name, file);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        var floats = new Dictionary<string, float[]>();
        var indices = new Dictionary<string, long[]>();
        floats["logits"] = replica.Observe(parity.Rows, parity.Length, parity.Tokens, (tensor, value) =>
        {
            if (tensor.EndsWith("topk_indices", StringComparison.Ordinal)) indices[tensor] = [.. value.data<int>().Select(i => (long)i)];
            else floats[tensor] = value.Values().ToArray();
        });
        int k = parity.Layout.Config.NumExpertsPerTok;
        int compared = 0;
        foreach (string tensor in parity.Expected.Entries.Keys.Where(t => !t.StartsWith("grad.", StringComparison.Ordinal) && !t.EndsWith("loss", StringComparison.Ordinal)))
        {
            compared++;
            if (tensor.EndsWith("topk_indices", StringComparison.Ordinal))
            {
                // References leave the order open: both sides sorted by expert.
                Assert.Equal(parity.Integers(tensor).Chunk(k).SelectMany(row => row.Order()), indices[tensor].Chunk(k).SelectMany(row => row.Order()));
            }
            else if (tensor.EndsWith("topk_weights", StringComparison.Ordinal))
            {
                string of = tensor.Replace("topk_weights", "topk_indices", StringComparison.Ordinal);
                Near(tensor, Sorted(parity.Floats(tensor), parity.Integers(of), k), Sorted(floats[tensor], indices[of], k), 5e-6);
            }
            else if (tensor.EndsWith("tokens_per_expert", StringComparison.Ordinal))
            {
                long[] chosen = indices[tensor.Replace("tokens_per_expert", "topk_indices", StringComparison.Ordinal)];
                Assert.Equal(parity.Integers(tensor), Enumerable.Range(0, parity.Layout.Config.NRoutedExperts).Select(e => (long)chosen.Count(c => c == e)));
            }
            else
            {
                double tolerance = tensor.StartsWith("hidden", StringComparison.Ordinal) ? 5e-5 : tensor.StartsWith("router", StringComparison.Ordinal) ? 5e-6 : 3e-5;
                Near(tensor, parity.Floats(tensor), floats[tensor], tolerance);
            }
        }
        Assert.True(compared >= 7, $"{compared} tensors");
    }

    [Theory]
    [MemberData(nameof(Readings))]
    public void Losses_and_all_gradients_are_those_of_the_published_code(string name, string file)
    {
        using ParityCase parity = Open(name, file);
        using var gradient = new NativeBuffer(parity.Layout.TotalLength);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        long tokens = parity.Rows * (parity.Length - 1);
        RankResult result = replica.ComputeRank([parity.Batch], tokens, 0, gradient);
        Assert.Equal(tokens, result.LossTokens);
        double loss = result.LossSum / tokens;
        if (parity.Expected.Entries.ContainsKey("loss")) Assert.Equal(parity.Floats("loss")[0], loss, 3e-6);
        Assert.Equal(result.LossSum, replica.SumLoss(parity.Batch));
        if (parity.Layout.Config.NumNextnPredictLayers > 0)
        {
            Assert.Equal(parity.Rows * (parity.Length - 2), result.MtpLossTokens);
            double mtp = result.MtpLossSum / result.MtpLossTokens;
            Assert.Equal(parity.Floats("mtp.loss")[0], mtp, 3e-6);
            Assert.Equal(parity.Floats("total_loss")[0], loss + (0.3 * mtp), 3e-6);
        }
        foreach (ParameterInfo p in parity.Layout.Parameters)
        {
            ReadOnlySpan<float> actual = gradient.Slice(p.Offset, (int)p.Length);
            if (p.Kind == ParameterKind.RouterBias) Assert.True(actual.IndexOfAnyExcept(0f) < 0);
            else Near(p.Name, parity.Floats("grad." + p.Name), actual, 3e-6);
        }
        Assert.Equal(parity.Layout.Parameters.Count(p => p.Kind != ParameterKind.RouterBias), parity.Expected.Entries.Keys.Count(t => t.StartsWith("grad.", StringComparison.Ordinal)));
    }

    [Fact]
    public void Yarn_with_two_temperatures_turns_the_rotary_part_by_their_ratio()
    {
        ModelConfig other = ModelConfig.FromHuggingFace(Path.Combine(AppContext.BaseDirectory, "Parity", "v3-yarn", "config_mscale.json"));
        using var parity = new ParityCase("v3-yarn", "expected_mscale.safetensors", _ => other);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        Near("logits", parity.Floats("logits"), replica.Observe(parity.Rows, parity.Length, parity.Tokens, (_, _) => { }), 3e-5);
        Assert.Equal(parity.Floats("loss")[0], replica.SumLoss(parity.Batch) / (parity.Rows * (parity.Length - 1)), 3e-6);
    }

    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("mtp-tiny")]
    public void Tokens_per_expert_are_exact(string name)
    {
        using var parity = new ParityCase(name);
        using var gradient = new NativeBuffer(parity.Layout.TotalLength);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        // The expected counts cover all positions, so each row gets one more token to predict, masked or not.
        int[] longer = [.. parity.Tokens.Chunk(parity.Length).SelectMany(row => row.Append(0))];
        RankResult result = replica.ComputeRank([new MicroBatch(parity.Rows, parity.Length, longer, null)], 1, 0, gradient);
        Assert.Equal([.. parity.Layout.Config.MoeLayers.SelectMany(layer => parity.Integers($"router.layers.{layer}.tokens_per_expert"))], result.TokensPerExpert);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Greedy_continuation_is_that_of_the_published_code(string name)
    {
        using var parity = new ParityCase(name);
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        using JsonDocument greedy = JsonDocument.Parse(File.ReadAllText(Path.Combine(parity.Folder, "greedy.json")));
        int[] prompt = greedy.RootElement.GetProperty("prompt").Deserialize<int[]>()!, expected = greedy.RootElement.GetProperty("generated").Deserialize<int[]>()!;
        Assert.Equal(expected, replica.Generate(prompt, expected.Length, 0, 1));
    }

    [Fact]
    public void Three_steps_of_AdamW_give_the_published_weights()
    {
        using var parity = new ParityCase("v3-tiny", "adamw.safetensors");
        using var replica = new ModelReplica(parity.Layout, parity.Parameters, ComputeKind.Fp32);
        using NativeBuffer gradient = new(parity.Layout.TotalLength), m = new(parity.Layout.TotalLength), v = new(parity.Layout.TotalLength);
        float[] losses = parity.Floats("losses");
        long tokens = parity.Rows * (parity.Length - 1);
        for (int update = 1; update <= 3; update++)
        {
            double loss = replica.ComputeRank([parity.Batch], tokens, 0, gradient).LossSum / tokens;
            Assert.Equal(losses[update - 1], loss, 3e-6);
            double norm = Math.Sqrt(gradient.Span.ToArray().Sum(g => (double)g * g));
            var c = AdamCoefficients.ForUpdate(update, 0.001f, 0.9f, 0.95f, 1e-8f, 0.1f, (float)Math.Min(1, 1 / (norm + 1e-6)));
            foreach (ParameterInfo p in parity.Layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
            {
                int length = (int)p.Length;
                Adam.Step(parity.Parameters.Slice(p.Offset, length), m.Slice(p.Offset, length), v.Slice(p.Offset, length), gradient.Slice(p.Offset, length), c, p.Kind == ParameterKind.Weight);
            }
        }
        Assert.Equal(losses[3], replica.SumLoss(parity.Batch) / tokens, 3e-6);
        double squares = 0;
        foreach (ParameterInfo p in parity.Layout.Parameters)
        {
            float[] expected = parity.Floats(p.Name), actual = parity.Parameters.Slice(p.Offset, (int)p.Length).ToArray();
            Near(p.Name, expected, actual, 1e-4);
            squares += expected.Zip(actual).Sum(pair => Math.Pow((double)pair.First - pair.Second, 2));
        }
        Assert.InRange(Math.Sqrt(squares / parity.Layout.TotalLength), 0, 1e-6);
    }

    private static ParityCase Open(string name, string file) =>
        new(name, file + ".safetensors", file == "expected_prenorm" ? config => config with { MtpInput = MtpInput.Raw } : null);

    private static float[] Sorted(float[] weights, long[] experts, int k) =>
        [.. weights.Zip(experts).Chunk(k).SelectMany(row => row.OrderBy(pair => pair.Second).Select(pair => pair.First))];

    private static void Near(string name, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        double difference = ParityCase.WorstDifference(actual, expected);
        Assert.True(difference <= tolerance, $"{name}: {difference}");
    }
}
