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
/// <param name="compute">What is multiplied in the core; the maps say it for themselves.</param>
/// <param name="down">q_a_proj (or q_proj) and kv_a_proj_with_mqa as one map to [q | latent | rope].</param>
/// <param name="queryNorm">q_a_layernorm; null without query compression.</param>
/// <param name="queryUp">q_b_proj, a map to [h (nope + rope)]; null without query compression.</param>
/// <param name="latentNorm">kv_a_layernorm.</param>
/// <param name="keyValueUp">kv_b_proj, a map to [h (nope + v)].</param>
/// <param name="output">o_proj, from [h v].</param>
internal sealed unsafe partial class LatentAttention(ModelConfig config, ComputeKind compute, Linear down, RmsNorm? queryNorm, Linear? queryUp, RmsNorm latentNorm, Linear keyValueUp, Linear output)
{
    private readonly int _heads = config.NumAttentionHeads, _nope = config.QkNopeHeadDim, _rope = config.QkRopeHeadDim, _value = config.VHeadDim;
    private readonly int _latent = config.KvLoraRank, _width = down.Outputs, _queryWidth = config.QLoraRank ?? (config.NumAttentionHeads * config.QkHeadDim);
    private readonly CausalAttention _core = new(config.NumAttentionHeads, config.QkHeadDim, config.VHeadDim, Scale(config), compute);

    /// <summary>1 / sqrt(d) on the scores, times YaRN's temperature.</summary>
    internal static float Scale(ModelConfig config) => (float)(1 / Math.Sqrt(config.QkHeadDim) * (config.RopeScaling?.SoftmaxFactor ?? 1));

    /// <summary>
    /// What backward needs and cannot have again for little: the latents hold all of keys and values, for half a percent of a step's time. Query is null without
    /// compression: the queries then lie in Down.
    /// </summary>
    internal sealed record Saved(Tensor Down, Tensor? QueryFactors, Tensor? Query, Tensor LatentFactors, Tensor Heads);

    /// <summary>residual + attention(x), all [N, hidden].</summary>
    internal (Tensor Output, Saved Saved) Forward(Pass pass, Tensor x, Tensor residual)
    {
        int n = pass.Tokens;
        var (a, queryLatent, queryFactors, query, latent, latentFactors) = Compress(pass, x);
        float* pa = a.Pointer();
        Tensor heads = Workspace.Empty(n, _heads * _value);
        queryLatent?.Dispose();
        HeadRows q = Queries(query, pa);
        RotateQueries(pass, q);
        using (Tensor keyValue = KeyValue(pass, latent), key = PutKeysTogether(pass, keyValue, pa)) _core.Forward(pass, q, Keys(key), Values(keyValue), HeadValues(heads));
        latent.Dispose();
        Tensor result = Workspace.CopyOf(residual);
        output.Forward(pass, heads.Pointer(), result.Pointer(), n, add: true);
        return (result, new Saved(a, queryFactors, query, latentFactors, heads));
    }

    /// <summary>x through the down-projection, [N, q | latent | rope], the queries [N, h (nope + rope)] if they are compressed, and the normed latents.</summary>
    private (Tensor Down, Tensor? QueryLatent, Tensor? QueryFactors, Tensor? Query, Tensor Latent, Tensor LatentFactors) Compress(Pass pass, Tensor x)
    {
        int n = pass.Tokens;
        Tensor a = Workspace.Empty(n, _width);
        float* pa = a.Pointer();
        down.Forward(pass, x.Pointer(), pa, n);
        Tensor? queryLatent = null, queryFactors = null, query = null;
        if (queryNorm is not null)
        {
            (queryLatent, queryFactors) = queryNorm.Forward(pass, pa, _width, n);
            query = Workspace.Empty(n, _heads * (_nope + _rope));
            queryUp!.Forward(pass, queryLatent.Pointer(), query.Pointer(), n);
        }
        (Tensor latent, Tensor latentFactors) = latentNorm.Forward(pass, pa + _queryWidth, _width, n);
        return (a, queryLatent, queryFactors, query, latent, latentFactors);
    }

    /// <summary>Writes the gradient of x [N, hidden], from the gradient of the output.</summary>
    internal void Backward(Pass pass, Saved saved, Tensor x, Tensor dy, Tensor dx)
    {
        int n = pass.Tokens;
        output.BackwardWeight(pass, dy.Pointer(), saved.Heads.Pointer(), n);
        using Tensor da = Workspace.Empty(n, _width), dKey = Workspace.Empty(n, _heads * (_nope + _rope)), dKeyValue = Workspace.Empty(n, _heads * (_nope + _value));
        using Tensor? dQuery = saved.Query is null ? null : Workspace.EmptyLike(saved.Query);
        float* pda = da.Pointer(), pa = saved.Down.Pointer();
        HeadRows dq = Queries(dQuery, pda);
        Tensor dHeads = saved.Heads; // their memory is free now
        output.BackwardInput(pass, dy.Pointer(), dHeads.Pointer(), n);
        using Tensor latent = latentNorm.Again(pass, pa + _queryWidth, _width, saved.LatentFactors);
        using (Tensor keyValue = KeyValue(pass, latent), key = PutKeysTogether(pass, keyValue, pa))
            _core.Backward(pass, Queries(saved.Query, pa), Keys(key), Values(keyValue), HeadValues(dHeads), dq, Keys(dKey), Values(dKeyValue));
        dHeads.Dispose();
        saved.Query?.Dispose();
        RotateBack(pass, dq, dKey.Pointer(), dKeyValue.Pointer(), pda + _queryWidth + _latent);
        if (queryNorm is not null)
        {
            using Tensor queryLatent = queryNorm.Again(pass, pa, _width, saved.QueryFactors!), dQueryLatent = Workspace.EmptyLike(queryLatent);
            queryUp!.BackwardWeight(pass, dQuery!.Pointer(), queryLatent.Pointer(), n);
            queryUp.BackwardInput(pass, dQuery!.Pointer(), dQueryLatent.Pointer(), n);
            queryNorm.Backward(pass, pa, _width, saved.QueryFactors!, dQueryLatent, pda, _width, addToInput: false);
            saved.QueryFactors!.Dispose();
        }
        using Tensor dLatent = Workspace.EmptyLike(latent);
        keyValueUp.BackwardWeight(pass, dKeyValue.Pointer(), latent.Pointer(), n);
        keyValueUp.BackwardInput(pass, dKeyValue.Pointer(), dLatent.Pointer(), n);
        latentNorm.Backward(pass, pa + _queryWidth, _width, saved.LatentFactors, dLatent, pda + _queryWidth, _width, addToInput: false);
        saved.LatentFactors.Dispose();
        saved.Down.Dispose();
        down.BackwardWeight(pass, pda, x.Pointer(), n);
        down.BackwardInput(pass, pda, dx.Pointer(), n);
    }

    private HeadRows Queries(Tensor? query, float* down) => query is null ? new(down, _width, _nope + _rope) : new(query.Pointer(), _heads * (_nope + _rope), _nope + _rope);

    private HeadRows Keys(Tensor key) => new(key.Pointer(), _heads * (_nope + _rope), _nope + _rope);

    private HeadRows Values(Tensor keyValue) => new(keyValue.Pointer() + _nope, _heads * (_nope + _value), _nope + _value);

    private HeadRows HeadValues(Tensor heads) => new(heads.Pointer(), _heads * _value, _value);

    /// <summary>Each head's own part of the key and its value, [N, h (nope + v)].</summary>
    private Tensor KeyValue(Pass pass, Tensor latent)
    {
        Tensor keyValue = Workspace.Empty(pass.Tokens, keyValueUp.Outputs);
        keyValueUp.Forward(pass, latent.Pointer(), keyValue.Pointer(), pass.Tokens);
        return keyValue;
    }

    /// <summary>Rotates the queries in place.</summary>
    private void RotateQueries(Pass pass, HeadRows q)
    {
        for (int t = 0; t < pass.Tokens; t++)
        {
            for (int h = 0; h < _heads; h++)
            {
                float* query = q.At(t, h) + _nope;
                pass.Rotary.Rotate(query, query, t % pass.Length);
            }
        }
    }

    /// <summary>Keys [N, h (nope + rope)]: each head's own part, then the rotated part that all heads share.</summary>
    private Tensor PutKeysTogether(Pass pass, Tensor keyValue, float* down)
    {
        Tensor keys = Workspace.Empty(pass.Tokens, _heads * (_nope + _rope));
        float* key = keys.Pointer(), own = keyValue.Pointer(), shared = down + _queryWidth + _latent, rotated = stackalloc float[_rope];
        for (int t = 0; t < pass.Tokens; t++, shared += _width)
        {
            pass.Rotary.Rotate(shared, rotated, t % pass.Length);
            for (int h = 0; h < _heads; h++, key += _nope + _rope, own += _nope + _value)
            {
                RowKernels.Copy(own, key, _nope);
                RowKernels.Copy(rotated, key + _nope, _rope);
            }
        }
        return keys;
    }

    /// <summary>The gradient of both: the queries' turned back in place, the keys' taken apart, the shared part summed over heads.</summary>
    private void RotateBack(Pass pass, HeadRows dq, float* dKey, float* dKeyValue, float* dRopeKey)
    {
        float* sum = stackalloc float[_rope];
        for (int t = 0; t < pass.Tokens; t++, dRopeKey += _width)
        {
            int position = t % pass.Length;
            new Span<float>(sum, _rope).Clear();
            for (int h = 0; h < _heads; h++, dKey += _nope + _rope, dKeyValue += _nope + _value)
            {
                float* query = dq.At(t, h) + _nope;
                pass.Rotary.RotateBack(query, query, position);
                RowKernels.Copy(dKey, dKeyValue, _nope);
                RowKernels.Add(dKey + _nope, sum, _rope);
            }
            pass.Rotary.RotateBack(sum, dRopeKey, position);
        }
    }
}
