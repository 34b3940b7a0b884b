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
        // One expert after another from its tokens to its results, so that what one step writes is in the cache for the next.
        using Tensor inputs = Workspace.Empty(n, _hidden), h = Workspace.Empty(n, _width), results = Workspace.Empty(m, _hidden);
        float* sortedWeights = weights.Pointer();
        for (int choice = 0; choice < m; choice++) sortedWeights[dispatch.RowOfChoice[choice]] = routing.Weights[choice];
        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            if (count == 0) continue;
            tokensPerExpert[e] += count;
            RowKernels.Gather(x.Pointer(), dispatch.TokenOfRow.AsSpan(first, count), inputs.Pointer(), _hidden);
            gateUp[e].Forward(pass, inputs.Pointer(), Row(gateUps, first, 2 * _width), count);
            SwiGluKernel.Forward(Row(gateUps, first, 2 * _width), sortedWeights + first, h.Pointer(), count, _width);
            down[e].Forward(pass, h.Pointer(), Row(results, first, _hidden), count);
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
        // Rows of one expert: first the gradient of y, then x; h: first its gradient, then itself.
        using Tensor rows = Workspace.Empty(n, _hidden), h = Workspace.Empty(n, _width), dSorted = Workspace.Empty(m, _hidden), dWeights = Workspace.Empty(m);
        for (int e = 0; e < _experts; e++)
        {
            var (first, count) = dispatch.Rows(e);
            if (count == 0) continue;
            ReadOnlySpan<int> tokens = dispatch.TokenOfRow.AsSpan(first, count);
            float* gateUps = Row(saved.GateUp, first, 2 * _width);
            RowKernels.Gather(dy.Pointer(), tokens, rows.Pointer(), _hidden);
            down[e].BackwardInput(pass, rows.Pointer(), h.Pointer(), count);
            SwiGluKernel.Backward(gateUps, saved.Weights.Pointer() + first, h.Pointer(), dWeights.Pointer() + first, count, _width);
            down[e].BackwardWeight(pass, rows.Pointer(), h.Pointer(), count);
            RowKernels.Gather(x.Pointer(), tokens, rows.Pointer(), _hidden);
            gateUp[e].BackwardWeight(pass, gateUps, rows.Pointer(), count);
            gateUp[e].BackwardInput(pass, gateUps, Row(dSorted, first, _hidden), count);
        }
        saved.Weights.Dispose();
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
