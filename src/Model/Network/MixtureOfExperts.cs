using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// DeepSeekMoE (arXiv:2401.06066): the shared experts see every token, a routed expert only the tokens that chose it. An expert without tokens is not
/// computed, and its gradient stays exactly zero.
/// </summary>
/// <param name="config">Sizes.</param>
/// <param name="router">Chooses the experts.</param>
/// <param name="gateUp">gate_proj and up_proj of each expert as one map to [2 width].</param>
/// <param name="down">down_proj of each expert, from [width].</param>
/// <param name="shared">The shared experts, if there are any.</param>
internal sealed unsafe class MixtureOfExperts(ModelConfig config, Router router, Linear[] gateUp, Linear[] down, SwiGlu? shared)
{
    private readonly int _hidden = config.HiddenSize, _width = config.MoeIntermediateSize, _chosen = config.NumExpertsPerTok, _experts = config.NRoutedExperts;

    /// <summary>What backward needs; rows of M = N k are sorted by expert.</summary>
    internal sealed record Saved(Router.Routing Routing, ExpertDispatch Dispatch, Tensor Weights, Tensor GateUp, SwiGlu.Saved? Shared);

    /// <summary>residual + shared(x) + sum of weight * expert(x), all [N, hidden]; adds to the token counts [E].</summary>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Tensor residual, Span<long> tokensPerExpert)
    {
        int n = pass.Tokens, m = n * _chosen;
        Router.Routing routing = router.Forward(pass, x);
        var dispatch = new ExpertDispatch(routing.Experts, _chosen, _experts);
        Tensor weights = Workspace.Empty(m), gateUps = Workspace.Empty(m, 2 * _width);
        using Tensor sorted = Workspace.Empty(m, _hidden), h = Workspace.Empty(m, _width);
        RowKernels.Gather(x.Pointer(), dispatch.TokenOfRow, sorted.Pointer(), _hidden);
        float* sortedWeights = weights.Pointer();
        for (int choice = 0; choice < m; choice++) sortedWeights[dispatch.RowOfChoice[choice]] = routing.Weights[choice];

        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            tokensPerExpert[e] += count;
            if (count > 0) gateUp[e].Forward(pass, Row(sorted, first, _hidden), Row(gateUps, first, 2 * _width), count);
        }
        SwiGluKernel.Forward(gateUps.Pointer(), sortedWeights, h.Pointer(), m, _width);
        Tensor results = sorted; // their memory is free now
        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            if (count > 0) down[e].Forward(pass, Row(h, first, _width), Row(results, first, _hidden), count);
        }
        SwiGlu.Saved? sharedSaved = null;
        Tensor output;
        if (shared is null) output = Workspace.CopyOf(residual);
        else (output, sharedSaved) = shared.Forward(pass, x, residual);
        RowKernels.GatherSum(results.Pointer(), dispatch.RowOfChoice, _chosen, output.Pointer(), _hidden, add: true);
        return (output, new Saved(routing, dispatch, weights, gateUps, sharedSaved));
    }

    /// <summary>Writes the gradient of x [N, hidden], from the gradient of the output.</summary>
    internal void Backward(Pass pass, Saved saved, Tensor x, Tensor dy, Tensor dx)
    {
        int n = pass.Tokens, m = n * _chosen;
        ExpertDispatch dispatch = saved.Dispatch;
        using Tensor dSorted = Workspace.Empty(m, _hidden), sorted = Workspace.Empty(m, _hidden), h = Workspace.Empty(m, _width), dWeights = Workspace.Empty(m); // h: first its gradient, then itself
        RowKernels.Gather(dy.Pointer(), dispatch.TokenOfRow, dSorted.Pointer(), _hidden);
        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            if (count == 0) continue;
            down[e].BackwardInput(pass, Row(dSorted, first, _hidden), Row(h, first, _width), count);
        }
        SwiGluKernel.Backward(saved.GateUp.Pointer(), saved.Weights.Pointer(), h.Pointer(), dWeights.Pointer(), m, _width);
        saved.Weights.Dispose();
        RowKernels.Gather(x.Pointer(), dispatch.TokenOfRow, sorted.Pointer(), _hidden);
        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            if (count == 0) continue;
            down[e].BackwardWeight(pass, Row(dSorted, first, _hidden), Row(h, first, _width), count);
            gateUp[e].BackwardWeight(pass, Row(saved.GateUp, first, 2 * _width), Row(sorted, first, _hidden), count);
            // The gradient of y has done its work: it becomes that of x.
            gateUp[e].BackwardInput(pass, Row(saved.GateUp, first, 2 * _width), Row(dSorted, first, _hidden), count);
        }
        saved.GateUp.Dispose();

        float[] dChoices = new float[m];
        float* dSortedWeights = dWeights.Pointer();
        for (int choice = 0; choice < m; choice++) dChoices[choice] = dSortedWeights[dispatch.RowOfChoice[choice]];
        router.Backward(pass, saved.Routing, x, dChoices, dx);
        shared?.Backward(pass, saved.Shared!, x, dy, dx, add: true);
        RowKernels.GatherSum(dSorted.Pointer(), dispatch.RowOfChoice, _chosen, dx.Pointer(), _hidden, add: true);
    }

    private static float* Row(Tensor rows, int index, int width) => rows.Pointer() + ((long)index * width);
}
