using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model;

/// <summary>
/// What a model makes of given tokens, as tensors with fixed names: logits, loss, hidden states, routing, and the gradients of the loss under the names of the
/// parameters; with a prediction module also <c>mtp.*</c> and <c>total_loss</c>, of which the gradients then are. The balance loss of training is no part of it.
/// </summary>
public static class ForwardReport
{
    private const string TokensForm = "{\"input_ids\": [[...], ...]}";

    /// <summary>Reads <c>{"input_ids": [[...], ...]}</c>, rows of one length.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or is something else.</exception>
    public static int[][] ReadTokens(string path) => JsonFile.Read(path, "a file of tokens", TokensForm, root =>
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("input_ids", out JsonElement rows) || rows.ValueKind != JsonValueKind.Array || rows.GetArrayLength() == 0)
            throw new BadInputException($"{path}: input_ids", "no list of rows", TokensForm);
        int[][] tokens = [.. rows.EnumerateArray().Select((row, index) => ReadRow(path, row, index))];
        for (int row = 0; row < tokens.Length; row++)
        {
            if (tokens[row].Length != tokens[0].Length || tokens[row].Length == 0)
                throw new BadInputException($"{path}: input_ids[{row}]", $"{tokens[row].Length} tokens", tokens[0].Length == 0 ? "at least one" : $"{tokens[0].Length}, as in the first row");
        }
        return tokens;
    });

    /// <summary>Computes the tensors.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="parameters">Its parameters.</param>
    /// <param name="rows">Tokens, rows of one length.</param>
    /// <param name="gradients">Whether to compute gradients.</param>
    /// <param name="compute">What is multiplied.</param>
    /// <exception cref="BadInputException">A token outside the vocabulary, a row longer than the model allows, or too short for a gradient.</exception>
    public static IReadOnlyList<SafetensorsContent> Compute(ParameterLayout layout, NativeBuffer parameters, int[][] rows, bool gradients, ComputeKind compute = ComputeKind.Fp32)
    {
        ModelConfig config = layout.Config with { AuxLossAlpha = 0 };
        layout = ParameterLayout.Create(config);
        int batch = rows.Length, length = rows[0].Length;
        if (length > config.MaxPositionEmbeddings) throw new BadInputException("input_ids", $"rows of {length} tokens", $"at most max_position_embeddings = {config.MaxPositionEmbeddings}");
        for (int row = 0; row < batch; row++) config.RequireTokens($"input_ids[{row}]", rows[row]);
        int[] tokens = [.. rows.SelectMany(row => row)];
        var tensors = new List<SafetensorsContent>();
        using var replica = new ModelReplica(layout, parameters, compute);
        float[] logits = replica.Observe(batch, length, tokens, (name, value) =>
        {
            long positions = value.shape[0] / batch, width = value.shape[1];
            bool isRouter = name.StartsWith("router.", StringComparison.Ordinal);
            long[] shape = isRouter ? [value.shape[0], width] : [batch, positions, width];
            if (!name.EndsWith("topk_indices", StringComparison.Ordinal))
            {
                tensors.Add(SafetensorsContent.Of(name, shape, value.Values().ToArray()));
                return;
            }
            long[] chosen = [.. value.data<int>().Select(expert => (long)expert)], counts = new long[config.NRoutedExperts];
            foreach (long expert in chosen) counts[expert]++;
            tensors.Add(SafetensorsContent.Of(name, shape, chosen));
            tensors.Add(SafetensorsContent.Of(name.Replace("topk_indices", "tokens_per_expert", StringComparison.Ordinal), [config.NRoutedExperts], counts));
        });
        tensors.Add(SafetensorsContent.Of("logits", [batch, length, config.VocabSize], logits));
        if (length > 1) AddLosses(tensors, layout, replica, new MicroBatch(batch, length - 1, tokens, null), gradients);
        else if (gradients) throw new BadInputException("input_ids", "rows of one token", "at least two, so that there is something to predict");
        return [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
    }

    private static int[] ReadRow(string path, JsonElement row, int index)
    {
        if (row.ValueKind != JsonValueKind.Array) throw new BadInputException($"{path}: input_ids[{index}]", row.GetRawText(), "a list of token ids");
        return
        [
            .. row.EnumerateArray().Select((token, position) => token.ValueKind == JsonValueKind.Number && token.TryGetInt32(out int id)
                ? id
                : throw new BadInputException($"{path}: input_ids[{index}][{position}]", token.GetRawText(), "a token id")),
        ];
    }

    private static void AddLosses(List<SafetensorsContent> tensors, ParameterLayout layout, ModelReplica replica, MicroBatch batch, bool gradients)
    {
        double sum, mtpSum;
        long counted, mtpCounted;
        if (gradients)
        {
            using var gradient = new NativeBuffer(layout.TotalLength);
            RankResult result = replica.ComputeRank([batch], batch.Rows * (long)batch.SequenceLength, 0, gradient, isZero: true);
            (sum, counted, mtpSum, mtpCounted) = (result.LossSum, result.LossTokens, result.MtpLossSum, result.MtpLossTokens);
            foreach (ParameterInfo p in layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
                tensors.Add(SafetensorsContent.Of("grad." + p.Name, p.Shape, gradient.Slice(p.Offset, checked((int)p.Length)).ToArray()));
        }
        else
        {
            (sum, counted, mtpSum, mtpCounted) = replica.Losses(batch);
        }
        double loss = sum / counted;
        tensors.Add(SafetensorsContent.Of("loss", [1], [(float)loss]));
        if (mtpCounted == 0) return;
        tensors.Add(SafetensorsContent.Of("mtp.loss", [1], [(float)(mtpSum / mtpCounted)]));
        tensors.Add(SafetensorsContent.Of("total_loss", [1], [(float)(loss + (layout.Config.MtpLossWeight * mtpSum / mtpCounted))]));
    }
}
