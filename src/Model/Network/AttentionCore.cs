using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// Causal softmax(q k^T / sqrt(d)) v by torch's fused kernel, the one block whose gradient torch's autograd computes: the kernel's backward needs
/// row statistics that only autograd keeps.
/// </summary>
internal static class AttentionCore
{
    /// <summary>Query, key and value as leaves [B, h, T, d]; the result in the same form and as rows [N, h v].</summary>
    internal sealed record Saved(Tensor Query, Tensor Key, Tensor Value, Tensor Result, Tensor Output);

    /// <summary>From rows: q, k [N, h d], v [N, h dv]. Takes ownership of the three.</summary>
    internal static Saved Forward(Tensor q, Tensor k, Tensor v, int rows, int length, int heads, bool keep)
    {
        Tensor query = Heads(q, rows, length, heads), key = Heads(k, rows, length, heads), value = Heads(v, rows, length, heads);
        Tensor result;
        using (set_grad_enabled(keep))
        {
            if (keep)
            {
                query.requires_grad_();
                key.requires_grad_();
                value.requires_grad_();
            }
            result = nn.functional.scaled_dot_product_attention(query, key, value, is_casual: true); // [B, h, T, dv]
        }
        using Tensor detached = result.detach(), rowsFirst = detached.transpose(1, 2);
        return new Saved(query, key, value, result, rowsFirst.reshape(rows * length, heads * value.shape[3]));
    }

    /// <summary>The gradients of q, k, v as rows.</summary>
    internal static (Tensor Query, Tensor Key, Tensor Value) Backward(Saved saved, Tensor dOutput)
    {
        long rows = saved.Query.shape[0], length = saved.Query.shape[2], heads = saved.Query.shape[1];
        using Tensor dResult = Heads(dOutput, rows, length, heads);
        IList<Tensor> gradients;
        using (enable_grad())
            gradients = autograd.grad([saved.Result], [saved.Query, saved.Key, saved.Value], [dResult]);
        saved.Result.Dispose();
        saved.Output.Dispose();
        saved.Query.Dispose();
        saved.Key.Dispose();
        saved.Value.Dispose();
        return (Rows(gradients[0]), Rows(gradients[1]), Rows(gradients[2]));
    }

    private static Tensor Heads(Tensor rowsOfHeads, long rows, long length, long heads)
    {
        using Tensor split = rowsOfHeads.view(rows, length, heads, rowsOfHeads.shape[1] / heads);
        return split.transpose(1, 2);
    }

    private static Tensor Rows(Tensor heads)
    {
        using (heads)
        using (Tensor rowsFirst = heads.transpose(1, 2))
            return rowsFirst.reshape(heads.shape[0] * heads.shape[2], heads.shape[1] * heads.shape[3]);
    }
}
