using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>RMSNorm: w x / sqrt(mean(x^2) + eps) over the last dimension.</summary>
/// <param name="weight">Its scale in the flat buffer.</param>
/// <param name="epsilon">Added to the mean square.</param>
internal sealed unsafe class RmsNorm(ParameterInfo weight, double epsilon)
{
    private readonly int _width = (int)weight.Length;

    /// <summary>y [rows, width] from x, whose rows lie <paramref name="stride"/> values apart; also the factor of each row.</summary>
    internal (Tensor Y, Tensor Factors) Forward(Pass pass, float* x, long stride, int rows)
    {
        Tensor y = Workspace.Empty(rows, _width), factors = Workspace.Empty(rows);
        RmsNormKernel.Forward(x, stride, pass.Parameters.At(weight.Offset), y.Pointer(), factors.Pointer(), rows, _width, (float)epsilon);
        return (y, factors);
    }

    /// <summary>The same for a whole tensor [N, width].</summary>
    internal (Tensor Y, Tensor Factors) Forward(Pass pass, Tensor x) => Forward(pass, x.Pointer(), _width, (int)x.shape[0]);

    /// <summary>The output for a whole tensor once more: cheaper than keeping it until backward.</summary>
    internal Tensor Again(Pass pass, Tensor x, Tensor factors) => Again(pass, x.Pointer(), _width, factors);

    /// <summary>The same for rows that lie <paramref name="stride"/> values apart.</summary>
    internal Tensor Again(Pass pass, float* x, long stride, Tensor factors)
    {
        int rows = (int)factors.shape[0];
        Tensor y = Workspace.Empty(rows, _width);
        RmsNormKernel.Again(x, stride, pass.Parameters.At(weight.Offset), y.Pointer(), factors.Pointer(), rows, _width);
        return y;
    }

    /// <summary>Writes the gradient of a whole tensor.</summary>
    internal void Backward(Pass pass, Tensor x, Tensor factors, Tensor dy, Tensor dx) =>
        Backward(pass, x.Pointer(), _width, factors, dy, dx.Pointer(), _width, addToInput: false);

    /// <summary>Writes the gradient of x, or adds it to what is there; adds the gradient of the scale.</summary>
    internal void Backward(Pass pass, float* x, long stride, Tensor factors, Tensor dy, float* dx, long dxStride, bool addToInput) =>
        RmsNormKernel.Backward(x, stride, pass.Parameters.At(weight.Offset), factors.Pointer(), dy.Pointer(), dx, dxStride,
            pass.Gradients.At(weight.Offset), (int)factors.shape[0], _width, addToInput);
}
