using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Network;

/// <summary>The linear map y = x W^T and its two gradients, each one GEMM on rows that lie anywhere.</summary>
/// <param name="weight">W [out, in] in the flat buffer.</param>
/// <param name="compute">What is multiplied.</param>
internal sealed unsafe class Linear(MatrixRef weight, ComputeKind compute)
{
    /// <summary>Width of y.</summary>
    internal int Outputs => weight.Rows;

    /// <summary>Width of x.</summary>
    internal int Inputs => weight.Columns;

    /// <summary>W's place.</summary>
    internal MatrixRef Weight => weight;

    /// <summary>y [rows, out] = x W^T, or added to y.</summary>
    internal void Forward(Pass pass, float* x, float* y, int rows, bool add = false)
    {
        if (pass.Decoding is { } decoding) decoding.Multiply(weight, x, y, rows, add);
        else Gemm.Multiply(x, Inputs, false, pass.Parameters.At(weight.Offset), Inputs, true, y, Outputs, rows, Outputs, Inputs, add, compute);
    }

    /// <summary>dx [rows, in] = dy W, or added to dx.</summary>
    internal void BackwardInput(Pass pass, float* dy, float* dx, int rows, bool add = false) =>
        Gemm.Multiply(dy, Outputs, false, pass.Parameters.At(weight.Offset), Inputs, false, dx, Inputs, rows, Inputs, Outputs, add, compute);

    /// <summary>dW += dy^T x.</summary>
    internal void BackwardWeight(Pass pass, float* dy, float* x, int rows) =>
        Gemm.Multiply(dy, Outputs, true, x, Inputs, false, pass.Gradients.At(weight.Offset), Inputs, Outputs, Inputs, rows, add: true, compute);
}
