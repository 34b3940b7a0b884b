using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public sealed class ModelWeightsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("weights-").FullName;

    public static TheoryData<string> Cases => ["v3-tiny", "v3-yarn", "v2lite-tiny", "mtp-tiny"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Weights_in_bf16_give_the_bits_of_the_same_values_in_fp32_and_are_half_as_large(string name)
    {
        string half = Exported(name);
        using ModelWeights stored = HuggingFaceModel.LoadWeights(half, null), wide = HuggingFaceModel.LoadWeights(half, WeightFormat.Float32);
        Assert.Equal((WeightFormat.Bfloat16, WeightFormat.Float32), (stored.Format, wide.Format));
        long kept = stored.Layout.Parameters.Where(ModelWeights.StaysFloat32).Sum(p => p.Length);
        Assert.True(stored.Bytes <= (2 * stored.Layout.TotalLength) + (4 * kept) + 4, $"{stored.Bytes} bytes for {stored.Layout.TotalLength} values");
        Assert.Equal(4 * wide.Layout.TotalLength, wide.Bytes);
        // Pieces that go through each kernel: one token, a few, many.
        int[][] pieces = [[1], [2, 3, 4], [.. Enumerable.Range(5, 20)], [6], [7, 8]];
        foreach (int threads in (int[])[1, 2, 3])
        {
            using DecodingSession a = new(stored, 40, threads), b = new(wide, 40, threads);
            foreach (int[] piece in pieces) Assert.Equal(b.Append(piece), a.Append(piece));
        }
    }

    /// <summary>Values rounded to 8 bits: a relative error of up to 2^-9 in each weight.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Rounded_weights_change_the_logits_a_little(string name)
    {
        using ModelWeights exact = HuggingFaceModel.LoadWeights(Parity(name), null), rounded = HuggingFaceModel.LoadWeights(Parity(name), WeightFormat.Bfloat16);
        Assert.Equal(WeightFormat.Float32, exact.Format);
        using DecodingSession a = new(exact, 24), b = new(rounded, 24);
        double squares = 0, differences = 0;
        for (int token = 1; token < 24; token++)
        {
            float[] expected = a.Append([token]), actual = b.Append([token]);
            for (int i = 0; i < expected.Length; i++)
            {
                squares += (double)expected[i] * expected[i];
                differences += ((double)actual[i] - expected[i]) * ((double)actual[i] - expected[i]);
            }
        }
        Assert.InRange(Math.Sqrt(differences / squares), 1e-4, 0.04); // 0.007 to 0.022: small random models; an expert may be another one
    }

    [Fact]
    public void Norms_and_routers_are_not_rounded()
    {
        using var model = new TestModel(TestModel.Tiny);
        const float third = 1 / 3f;
        foreach (string name in (string[])["model.layers.1.mlp.gate.weight", "model.layers.1.mlp.gate.e_score_correction_bias", "model.norm.weight"])
            Assert.True(ModelWeights.StaysFloat32(model.Layout[name]), name);
        foreach (string name in (string[])["model.layers.0.mlp.gate_proj.weight", "model.embed_tokens.weight", "lm_head.weight", "model.layers.1.self_attn.kv_b_proj.weight"])
            Assert.False(ModelWeights.StaysFloat32(model.Layout[name]), name);
        using var weights = new ModelWeights(model.Layout, WeightFormat.Bfloat16);
        ParameterInfo gate = model.Layout["model.layers.1.mlp.gate.weight"];
        weights.Write(gate, 3, [third]);
        unsafe
        {
            Assert.Equal(third, weights.Single.At(gate.Offset)[3]);
        }
    }

    [Fact]
    public void A_value_that_is_too_large_for_bf16_is_named()
    {
        using var model = new TestModel(TestModel.Tiny);
        using var weights = new ModelWeights(model.Layout, WeightFormat.Bfloat16);
        BadInputException error = Assert.Throws<BadInputException>(() => weights.Write(model.Layout["lm_head.weight"], 5, [1, float.MaxValue]));
        Assert.Contains("lm_head.weight at index 6", error.Message);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Parity(string name) => Path.Combine(AppContext.BaseDirectory, "Parity", name);

    private string Exported(string name)
    {
        string folder = Path.Combine(_folder, name);
        using HuggingFaceModel model = HuggingFaceModel.Load(Parity(name));
        HuggingFaceExport.Write(model.Layout, model.Parameters, folder, new ExportOptions(IsBfloat16: true));
        return folder;
    }
}
