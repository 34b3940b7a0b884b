using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>One layer: x += attention(norm(x)); x += feed-forward(norm(x)). The feed-forward part is a SwiGLU or a mixture of experts.</summary>
internal sealed unsafe partial class DecoderLayer(RmsNorm inputNorm, LatentAttention attention, RmsNorm postAttentionNorm, SwiGlu? dense, MixtureOfExperts? experts)
{
    /// <summary>What backward needs: the residual stream before each half, the factors of its norm, and what the halves keep.</summary>
    internal sealed record Saved(Tensor X, Tensor FactorsX, LatentAttention.Saved Attention, Tensor Middle, Tensor FactorsMiddle, SwiGlu.Saved? Dense, MixtureOfExperts.Saved? Experts);

    /// <summary>The residual stream [N, hidden] after this layer. Where no backward pass follows, what is saved goes with the caller's dispose scope.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="x">The residual stream before it.</param>
    /// <param name="tokensPerExpert">Counts to add to; empty for a dense layer.</param>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Span<long> tokensPerExpert)
    {
        int hidden = (int)x.shape[1];
        (Tensor normedX, Tensor factorsX) = inputNorm.Forward(pass, x.Pointer(), hidden, pass.Tokens);
        (Tensor middle, LatentAttention.Saved attentionSaved) = attention.Forward(pass, normedX, x);
        normedX.Dispose();
        (Tensor normedMiddle, Tensor factorsMiddle) = postAttentionNorm.Forward(pass, middle.Pointer(), hidden, pass.Tokens);
        Tensor output;
        SwiGlu.Saved? denseSaved = null;
        MixtureOfExperts.Saved? expertsSaved = null;
        if (dense is not null) (output, denseSaved) = dense.Forward(pass, normedMiddle, middle);
        else (output, expertsSaved) = experts!.Forward(pass, normedMiddle, middle, tokensPerExpert);
        normedMiddle.Dispose();
        return (output, new Saved(x, factorsX, attentionSaved, middle, factorsMiddle, denseSaved, expertsSaved));
    }

    /// <summary>Turns the gradient of the output into that of the input, in place.</summary>
    internal void Backward(Pass pass, Saved saved, Tensor gradient)
    {
        int hidden = (int)gradient.shape[1];
        using Tensor dNormed = Workspace.EmptyLike(gradient);
        using (Tensor normedMiddle = postAttentionNorm.Again(pass, saved.Middle, saved.FactorsMiddle))
        {
            if (dense is not null) dense.Backward(pass, saved.Dense!, normedMiddle, gradient, dNormed, add: false);
            else experts!.Backward(pass, saved.Experts!, normedMiddle, gradient, dNormed);
        }
        postAttentionNorm.Backward(pass, saved.Middle.Pointer(), hidden, saved.FactorsMiddle, dNormed, gradient.Pointer(), hidden, addToInput: true);
        saved.FactorsMiddle.Dispose();
        saved.Middle.Dispose();
        using (Tensor normedX = inputNorm.Again(pass, saved.X, saved.FactorsX)) attention.Backward(pass, saved.Attention, normedX, gradient, dNormed);
        inputNorm.Backward(pass, saved.X.Pointer(), hidden, saved.FactorsX, dNormed, gradient.Pointer(), hidden, addToInput: true);
        saved.FactorsX.Dispose();
        saved.X.Dispose();
    }
}
