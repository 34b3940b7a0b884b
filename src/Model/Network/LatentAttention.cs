using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Network;

/// <summary>
/// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1; V3 report, section 2.1.1), in the form that training uses: keys and
/// values are expanded from the normed latent; one rotary key is shared by all heads.
/// </summary>
/// <param name="config">Sizes.</param>
/// <param name="down">q_a_proj (or q_proj) and kv_a_proj_with_mqa as one matrix [q + latent + rope, hidden].</param>
/// <param name="queryNorm">q_a_layernorm; null without query compression.</param>
/// <param name="queryUp">q_b_proj [h (nope + rope), q rank]; null without query compression.</param>
/// <param name="latentNorm">kv_a_layernorm.</param>
/// <param name="keyValueUp">kv_b_proj [h (nope + v), latent].</param>
/// <param name="output">o_proj [hidden, h v].</param>
internal sealed unsafe class LatentAttention(ModelConfig config, MatrixRef down, RmsNorm? queryNorm, MatrixRef? queryUp, RmsNorm latentNorm, MatrixRef keyValueUp, MatrixRef output)
{
    private readonly int _heads = config.NumAttentionHeads, _nope = config.QkNopeHeadDim, _rope = config.QkRopeHeadDim, _value = config.VHeadDim;
    private readonly int _latent = config.KvLoraRank, _width = (int)down.Rows, _queryWidth = config.QLoraRank ?? (config.NumAttentionHeads * config.QkHeadDim);

    /// <summary>What backward needs.</summary>
    internal sealed record Saved(Tensor Down, Tensor? QueryLatent, Tensor? QueryFactors, Tensor Latent, Tensor LatentFactors, AttentionCore.Saved Core);

    /// <summary>residual + attention(x), all [N, hidden].</summary>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Tensor residual, bool keep)
    {
        int n = pass.Tokens;
        Tensor a = x.mm(pass.Parameters.Transposed(down)); // [N, q | latent | rope]
        float* pa = a.Pointer();
        Tensor q; // [N, h (nope + rope)]
        Tensor? queryLatent = null, queryFactors = null;
        if (queryNorm is not null)
        {
            (queryLatent, queryFactors) = queryNorm.Forward(pass, pa, _width, n);
            q = queryLatent.mm(pass.Parameters.Transposed(queryUp!));
        }
        else
        {
            q = empty(n, _queryWidth);
            for (int t = 0; t < n; t++) RowKernels.Copy(pa + ((long)t * _width), q.Pointer() + ((long)t * _queryWidth), _queryWidth);
        }
        (Tensor latent, Tensor latentFactors) = latentNorm.Forward(pass, pa + _queryWidth, _width, n);
        Tensor kv = latent.mm(pass.Parameters.Transposed(keyValueUp)); // [N, h (nope + v)]
        Tensor k = empty(n, _heads * (_nope + _rope)), v = empty(n, _heads * _value);
        Arrange(pass, q.Pointer(), kv.Pointer(), pa + _queryWidth + _latent, k.Pointer(), v.Pointer());
        kv.Dispose();
        AttentionCore.Saved core = AttentionCore.Forward(q, k, v, pass.Rows, pass.Length, _heads, keep);
        return (residual.addmm(core.Output, pass.Parameters.Transposed(output)), new Saved(a, queryLatent, queryFactors, latent, latentFactors, core));
    }

    /// <summary>The gradient of x [N, hidden], from the gradient of the output.</summary>
    internal Tensor Backward(Pass pass, Saved saved, Tensor x, Tensor dy)
    {
        int n = pass.Tokens;
        FlatViews gradients = pass.Gradients!, parameters = pass.Parameters;
        using (Tensor dyT = dy.t()) gradients.Matrix(output).addmm_(dyT, saved.Core.Output);
        Tensor dq, dk, dv;
        using (Tensor dOutput = dy.mm(parameters.Matrix(output))) // [N, h v]
            (dq, dk, dv) = AttentionCore.Backward(saved.Core, dOutput);

        using Tensor da = empty(n, _width), dkv = empty(n, _heads * (_nope + _value));
        float* pda = da.Pointer(), pa = saved.Down.Pointer();
        ArrangeBack(pass, dq.Pointer(), dk.Pointer(), dv.Pointer(), dkv.Pointer(), pda + _queryWidth + _latent);
        dk.Dispose();
        dv.Dispose();
        if (queryNorm is not null)
        {
            using (Tensor dqT = dq.t()) gradients.Matrix(queryUp!).addmm_(dqT, saved.QueryLatent!);
            using Tensor dQueryLatent = dq.mm(parameters.Matrix(queryUp!));
            queryNorm.Backward(pass, pa, _width, saved.QueryFactors!, dQueryLatent, pda, _width, addToInput: false);
            saved.QueryLatent!.Dispose();
            saved.QueryFactors!.Dispose();
        }
        else
        {
            for (int t = 0; t < n; t++) RowKernels.Copy(dq.Pointer() + ((long)t * _queryWidth), pda + ((long)t * _width), _queryWidth);
        }
        dq.Dispose();
        using (Tensor dkvT = dkv.t()) gradients.Matrix(keyValueUp).addmm_(dkvT, saved.Latent);
        using (Tensor dLatent = dkv.mm(parameters.Matrix(keyValueUp)))
            latentNorm.Backward(pass, pa + _queryWidth, _width, saved.LatentFactors, dLatent, pda + _queryWidth, _width, addToInput: false);
        saved.Latent.Dispose();
        saved.LatentFactors.Dispose();
        saved.Down.Dispose();
        using (Tensor daT = da.t()) gradients.Matrix(down).addmm_(daT, x);
        return da.mm(parameters.Matrix(down));
    }

    /// <summary>Rotates the queries in place and builds keys [N, h (nope + rope)] and values [N, h v].</summary>
    private void Arrange(Pass pass, float* q, float* kv, float* ropeKey, float* k, float* v)
    {
        int head = _nope + _rope;
        float* rotated = stackalloc float[_rope];
        for (int t = 0; t < pass.Tokens; t++, ropeKey += _width)
        {
            int position = t % pass.Length;
            pass.Rotary.Rotate(ropeKey, rotated, position);
            for (int h = 0; h < _heads; h++, q += head, k += head, kv += _nope + _value, v += _value)
            {
                pass.Rotary.Rotate(q + _nope, q + _nope, position);
                RowKernels.Copy(kv, k, _nope);
                RowKernels.Copy(rotated, k + _nope, _rope);
                RowKernels.Copy(kv + _nope, v, _value);
            }
        }
    }

    /// <summary>The gradient of <see cref="Arrange"/>: dq turned back in place, dkv, and the shared rotary key's.</summary>
    private void ArrangeBack(Pass pass, float* dq, float* dk, float* dv, float* dkv, float* dRopeKey)
    {
        int head = _nope + _rope;
        float* sum = stackalloc float[_rope];
        for (int t = 0; t < pass.Tokens; t++, dRopeKey += _width)
        {
            int position = t % pass.Length;
            new Span<float>(sum, _rope).Clear();
            for (int h = 0; h < _heads; h++, dq += head, dk += head, dkv += _nope + _value, dv += _value)
            {
                pass.Rotary.RotateBack(dq + _nope, dq + _nope, position);
                RowKernels.Copy(dk, dkv, _nope);
                RowKernels.Add(dk + _nope, sum, _rope);
                RowKernels.Copy(dv, dkv + _nope, _value);
            }
            pass.Rotary.RotateBack(sum, dRopeKey, position);
        }
    }
}
