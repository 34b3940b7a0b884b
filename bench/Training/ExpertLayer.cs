using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Training;

/// <summary>What routing and dispatch cost: one mixture of experts, forward and backward, against its matrix products alone.</summary>
internal static unsafe class ExpertLayer
{
    internal static void Print(string name, ModelConfig config, int sequences, int length, int rounds)
    {
        TorchRuntime.BindThread();
        var layout = ParameterLayout.Create(config);
        int layer = config.FirstKDenseReplace;
        if (layer >= config.NumHiddenLayers) return;
        using NativeBuffer parameters = new(layout.TotalLength), gradients = new(layout.TotalLength);
        foreach (var shard in layout.Shards) layout.Initialize(shard.Id, 1, parameters.Slice(shard.Offset, shard.Length));
        string prefix = ModelConfig.LayerPrefix(layer) + "mlp.";
        Linear Pair(string part) => new(Matrix(layout[prefix + part + "gate_proj.weight"]) with { Rows = 2 * (int)layout[prefix + part + "gate_proj.weight"].Shape[0] }, ComputeKind.Fp32);
        Linear Map(string part) => new(Matrix(layout[prefix + part + ".weight"]), ComputeKind.Fp32);
        string[] experts = [.. Enumerable.Range(0, config.NRoutedExperts).Select(e => string.Create(CultureInfo.InvariantCulture, $"experts.{e}."))];
        Linear gate = Map("gate");
        Linear[] gateUp = [.. experts.Select(Pair)], down = [.. experts.Select(e => Map(e + "down_proj"))];
        if (config.NSharedExperts > 0) (gateUp, down) = ([.. gateUp, Pair("shared_experts.")], [.. down, Map("shared_experts.down_proj")]);
        int routed = config.NRoutedExperts;
        var mixture = new MixtureOfExperts(config, new Router(config, gate, layout[prefix + "gate.e_score_correction_bias"]), gateUp[..routed], down[..routed],
            config.NSharedExperts > 0 ? new SwiGlu(gateUp[routed], down[routed]) : null);

        var pass = new Pass(new FlatMemory(parameters), new FlatMemory(gradients), sequences, length, null!);
        int n = pass.Tokens, widest = Math.Max(config.HiddenSize, gateUp.Max(l => l.Outputs));
        using var scope = TorchSharp.torch.NewDisposeScope();
        using Tensor x = Workspace.Empty(n, config.HiddenSize), y = Workspace.Empty(n, config.HiddenSize), dx = Workspace.Empty(n, config.HiddenSize);
        NormalDistribution.Fill(1, 1, new Span<float>(x.Pointer(), n * config.HiddenSize));
        NormalDistribution.Fill(2, 1, new Span<float>(y.Pointer(), n * config.HiddenSize));
        long most = (long)n * config.NumExpertsPerTok * widest;
        using NativeBuffer input = new(most), output = new(most);
        input.Span.Fill(0.5f);
        long[] counts = new long[routed];

        List<double> ratios = [];
        for (int round = -20; round < rounds; round++)
        {
            Array.Clear(counts);
            long start = Stopwatch.GetTimestamp();
            (Tensor result, MixtureOfExperts.Saved saved) = mixture.Forward(pass, x, y, counts);
            mixture.Backward(pass, saved, x, y, dx);
            result.Dispose();
            double whole = Stopwatch.GetElapsedTime(start).TotalSeconds;

            start = Stopwatch.GetTimestamp();
            Products(pass, gate, (float*)input.Address, (float*)output.Address, n);
            for (int e = 0; e < gateUp.Length; e++)
            {
                int rows = e < routed ? (int)counts[e] : n;
                if (rows == 0) continue;
                Products(pass, gateUp[e], (float*)input.Address, (float*)output.Address, rows);
                Products(pass, down[e], (float*)input.Address, (float*)output.Address, rows);
            }
            if (round >= 0) ratios.Add(whole / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        ratios.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, mixture of experts / its matrix products, {n} tokens: {ratios[ratios.Count / 2]:0.000} ({ratios[0]:0.000} .. {ratios[^1]:0.000})"));
    }

    /// <summary>The three products of a linear map; what they multiply does not matter for time.</summary>
    private static void Products(Pass pass, Linear map, float* input, float* output, int rows)
    {
        map.Forward(pass, input, output, rows);
        map.BackwardInput(pass, input, output, rows);
        map.BackwardWeight(pass, input, input, rows);
    }

    private static MatrixRef Matrix(ParameterInfo parameter) => new(parameter.Offset, (int)parameter.Shape[0], (int)parameter.Shape[1]);
}
