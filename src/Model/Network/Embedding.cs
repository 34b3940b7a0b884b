using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>The token embedding.</summary>
/// <param name="table">Its rows [vocabulary, hidden].</param>
internal sealed unsafe class Embedding(MatrixRef table)
{
    private readonly int _hidden = table.Columns;

    /// <summary>The rows of the given tokens, [N, hidden].</summary>
    internal Tensor Forward(Pass pass, ReadOnlySpan<int> tokens)
    {
        Tensor x = Workspace.Empty(tokens.Length, _hidden);
        if (pass.Decoding is { } decoding) decoding.Gather(table, tokens, x.Pointer());
        else RowKernels.Gather(pass.Parameters.At(table.Offset), tokens, x.Pointer(), _hidden);
        return x;
    }

    /// <summary>Adds each token's gradient to its row, in token order.</summary>
    internal void Backward(Pass pass, ReadOnlySpan<int> tokens, Tensor dx)
    {
        float* source = dx.Pointer();
        float* rows = pass.Gradients.At(table.Offset);
        foreach (int token in tokens)
        {
            RowKernels.Add(source, rows + ((long)token * _hidden), _hidden);
            source += _hidden;
        }
    }
}
