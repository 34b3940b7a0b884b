using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>The feed-forward network down(silu(gate x) * up x): a dense layer's, or the shared experts of a mixture.</summary>
/// <param name="gateUp">gate_proj and up_proj as one matrix [2 width, hidden].</param>
/// <param name="down">down_proj [hidden, width].</param>
internal sealed unsafe class SwiGlu(MatrixRef gateUp, MatrixRef down)
{
    private readonly int _width = (int)down.Columns;

    /// <summary>What backward needs.</summary>
    internal sealed record Saved(Tensor GateUp, Tensor H);

    /// <summary>residual + down(silu(gate x) * up x), all [N, hidden].</summary>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Tensor residual)
    {
        Tensor projected = x.mm(pass.Parameters.Transposed(gateUp)); // [N, 2 width]
        Tensor h = empty(pass.Tokens, _width);
        SwiGluKernel.Forward(projected.Pointer(), null, h.Pointer(), pass.Tokens, _width);
        return (residual.addmm(h, pass.Parameters.Transposed(down)), new Saved(projected, h));
    }

    /// <summary>The gradient of x, from the gradient of the output; adds to <paramref name="dx"/> if it is given.</summary>
    internal Tensor Backward(Pass pass, Saved saved, Tensor x, Tensor dy, Tensor? dx)
    {
        using (Tensor dyT = dy.t()) pass.Gradients!.Matrix(down).addmm_(dyT, saved.H);
        using (Tensor dh = dy.mm(pass.Parameters.Matrix(down))) // [N, width]
            SwiGluKernel.Backward(saved.GateUp.Pointer(), null, dh.Pointer(), null, pass.Tokens, _width);
        saved.H.Dispose();
        using (Tensor dProjectedT = saved.GateUp.t()) pass.Gradients.Matrix(gateUp).addmm_(dProjectedT, x);
        Tensor result = dx is null ? saved.GateUp.mm(pass.Parameters.Matrix(gateUp)) : dx.addmm_(saved.GateUp, pass.Parameters.Matrix(gateUp));
        saved.GateUp.Dispose();
        return result;
    }
}
