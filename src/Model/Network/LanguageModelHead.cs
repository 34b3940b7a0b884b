using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// The output projection with the cross entropy behind it. Nothing lies between the loss and its gradient, so both are computed together, a block of
/// rows at a time: the logits of a block stay in the cache, and those of the whole micro-batch never exist.
/// </summary>
/// <param name="projection">lm_head, a map to [vocabulary].</param>
internal sealed unsafe class LanguageModelHead(Linear projection)
{
    private const int BlockRows = 256;

    /// <summary>The logits [N, vocabulary].</summary>
    internal Tensor Logits(Pass pass, Tensor x)
    {
        Tensor logits = Workspace.Empty(x.shape[0], projection.Outputs);
        projection.Forward(pass, x.Pointer(), logits.Pointer(), (int)x.shape[0]);
        return logits;
    }

    /// <summary>
    /// The summed loss in nats of the unmasked rows. With <paramref name="dx"/>, also the gradient of (weight x sum): written to dx
    /// [N, hidden] and added to the weight's.
    /// </summary>
    internal (double LossSum, long Tokens) Loss(Pass pass, Tensor x, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask, double weight, Tensor? dx)
    {
        int vocabulary = projection.Outputs, n = (int)x.shape[0];
        float scale = (float)weight;
        double sum = 0;
        long counted = 0;
        using Tensor logits = Workspace.Empty(Math.Min(n, BlockRows), vocabulary);
        for (int first = 0; first < n; first += BlockRows)
        {
            int rows = Math.Min(BlockRows, n - first);
            float* block = x.Pointer() + ((long)first * projection.Inputs), row = logits.Pointer();
            projection.Forward(pass, block, row, rows);
            for (int i = first; i < first + rows; i++, row += vocabulary)
            {
                if (!mask.IsEmpty && mask[i] == 0)
                {
                    if (dx is not null) new Span<float>(row, vocabulary).Clear();
                    continue;
                }
                sum += dx is null ? CrossEntropyKernel.Loss(row, vocabulary, targets[i]) : CrossEntropyKernel.LossAndGradient(row, vocabulary, targets[i], scale);
                counted++;
            }
            if (dx is null) continue;
            projection.BackwardWeight(pass, logits.Pointer(), block, rows);
            projection.BackwardInput(pass, logits.Pointer(), dx.Pointer() + ((long)first * projection.Inputs), rows);
        }
        return (sum, counted);
    }
}
