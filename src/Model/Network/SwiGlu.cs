using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>The feed-forward network down(silu(gate x) * up x): a dense layer's, or the shared experts of a mixture.</summary>
/// <param name="gateUp">gate_proj and up_proj as one map to [2 width].</param>
/// <param name="down">down_proj, from [width].</param>
internal sealed unsafe class SwiGlu(Linear gateUp, Linear down)
{
    private readonly int _width = down.Inputs;

    /// <summary>What backward needs.</summary>
    internal sealed record Saved(Tensor GateUp);

    /// <summary>residual + down(silu(gate x) * up x), all [N, hidden].</summary>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Tensor residual)
    {
        Tensor projected = Workspace.Empty(pass.Tokens, 2 * _width), output = Workspace.CopyOf(residual);
        using Tensor h = Workspace.Empty(pass.Tokens, _width);
        gateUp.Forward(pass, x.Pointer(), projected.Pointer(), pass.Tokens);
        SwiGluKernel.Forward(projected.Pointer(), null, h.Pointer(), pass.Tokens, _width);
        down.Forward(pass, h.Pointer(), output.Pointer(), pass.Tokens, add: true);
        return (output, new Saved(projected));
    }

    /// <summary>Writes the gradient of x, or adds it to what is there, from the gradient of the output.</summary>
    internal void Backward(Pass pass, Saved saved, Tensor x, Tensor dy, Tensor dx, bool add)
    {
        using Tensor h = Workspace.Empty(pass.Tokens, _width); // first its gradient, then itself
        down.BackwardInput(pass, dy.Pointer(), h.Pointer(), pass.Tokens);
        SwiGluKernel.Backward(saved.GateUp.Pointer(), null, h.Pointer(), null, pass.Tokens, _width);
        down.BackwardWeight(pass, dy.Pointer(), h.Pointer(), pass.Tokens);
        gateUp.BackwardWeight(pass, saved.GateUp.Pointer(), x.Pointer(), pass.Tokens);
        gateUp.BackwardInput(pass, saved.GateUp.Pointer(), dx.Pointer(), pass.Tokens, add);
        saved.GateUp.Dispose();
    }
}
