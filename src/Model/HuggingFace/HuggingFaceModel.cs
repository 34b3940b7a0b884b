using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model;

/// <summary>A model read from a Hugging Face folder: config.json, and the weights as safetensors in fp32, bf16 or fp16.</summary>
public sealed class HuggingFaceModel : IDisposable
{
    /// <summary>More problems than this are counted, not listed.</summary>
    private const int ProblemsShown = 10;

    private const int Block = 1 << 20;

    private HuggingFaceModel(string folder, ParameterLayout layout) => (Folder, Layout, Parameters) = (folder, layout, new NativeBuffer(layout.TotalLength));

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The layout of the parameters; its configuration is the folder's.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>The parameters as fp32.</summary>
    public NativeBuffer Parameters { get; }

    /// <summary>
    /// Reads a folder. The tensors must be exactly those of the configuration. The prediction module's copies of the embedding and the head may be absent; if
    /// they are there, they must be copies.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="BadInputException">Names the field, file or tensor that is missing, superfluous, of another shape, damaged or not finite.</exception>
    public static HuggingFaceModel Load(string folder)
    {
        using CheckpointFiles files = Open(folder, out ParameterLayout layout);
        var model = new HuggingFaceModel(folder, layout);
        try
        {
            using var weights = new ModelWeights(layout, model.Parameters);
            Read(files, weights);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Reads a folder for decoding: never more than a block of it is fp32 unless that is the format.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="format">How to hold the matrices; null for bf16 where the folder has all of them in it, and fp32, which holds everything, otherwise.</param>
    /// <returns>The weights, for the caller to dispose.</returns>
    /// <exception cref="BadInputException">As for <see cref="Load"/>, or a value is too large for the format.</exception>
    public static ModelWeights LoadWeights(string folder, WeightFormat? format)
    {
        using CheckpointFiles files = Open(folder, out ParameterLayout layout);
        bool isHalf = layout.Parameters.All(p => ModelWeights.StaysFloat32(p) || files.Describe(p.Name).Entry.DataType == "BF16");
        var weights = new ModelWeights(layout, format ?? (isHalf ? WeightFormat.Bfloat16 : WeightFormat.Float32));
        try
        {
            Read(files, weights);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>The tensors that a released checkpoint repeats inside the prediction module, and what they are copies of.</summary>
    internal static IReadOnlyList<(string Copy, ParameterInfo Original)> SharedCopies(ParameterLayout layout)
    {
        if (layout.Config.NumNextnPredictLayers == 0) return [];
        string prefix = ModelConfig.LayerPrefix(layout.Config.NumHiddenLayers);
        return [(prefix + "embed_tokens.weight", layout["model.embed_tokens.weight"]), (prefix + "shared_head.head.weight", layout["lm_head.weight"])];
    }

    /// <inheritdoc/>
    public void Dispose() => Parameters.Dispose();

    private static CheckpointFiles Open(string folder, out ParameterLayout layout)
    {
        if (!Directory.Exists(folder)) throw new BadInputException(folder, "no such folder", "a folder with config.json and safetensors files");
        layout = ParameterLayout.Create(ModelConfig.FromHuggingFace(Path.Combine(folder, "config.json")));
        CheckpointFiles files = CheckpointFiles.Open(folder);
        try
        {
            Check(folder, layout, files);
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    private static void Read(CheckpointFiles files, ModelWeights weights)
    {
        float[] block = new float[Block];
        foreach (ParameterInfo parameter in weights.Layout.Parameters)
        {
            for (long done = 0; done < parameter.Length; done += Block)
            {
                Span<float> part = block.AsSpan(0, (int)Math.Min(Block, parameter.Length - done));
                files.Read(parameter.Name, done, part);
                weights.Write(parameter, done, part);
            }
        }
        foreach (var (copy, original) in SharedCopies(weights.Layout)) CompareCopy(files, copy, original);
    }

    /// <summary>Compares names, shapes and element types before anything is allocated.</summary>
    private static void Check(string folder, ParameterLayout layout, CheckpointFiles files)
    {
        var expected = layout.Parameters.ToDictionary(p => p.Name, p => p.Shape, StringComparer.Ordinal);
        var problems = new List<BadInputException>();
        foreach (var (copy, original) in SharedCopies(layout)) if (files.Has(copy)) expected[copy] = original.Shape;
        foreach (var (name, shape) in expected)
        {
            if (!files.Has(name))
            {
                problems.Add(new BadInputException($"{folder}: {name}", "no such tensor", $"one of shape [{string.Join(", ", shape)}]"));
                continue;
            }
            (string where, SafetensorsEntry entry) = files.Describe(name);
            if (!entry.Shape.SequenceEqual(shape))
                problems.Add(new BadInputException(where, $"shape [{string.Join(", ", entry.Shape)}]", $"[{string.Join(", ", shape)}], as config.json says"));
            else if (!entry.IsFloat) problems.Add(new BadInputException(where, $"values of type {entry.DataType}", SafetensorsEntry.FloatTypes));
        }
        foreach (string name in files.Names.Where(name => !expected.ContainsKey(name)).Order(StringComparer.Ordinal))
            problems.Add(new BadInputException(files.Describe(name).Where, "a tensor that the model does not have", "the tensors of config.json alone"));
        if (problems.Count > ProblemsShown)
        {
            int more = problems.Count - ProblemsShown;
            problems.RemoveRange(ProblemsShown, more);
            problems.Add(new BadInputException(folder, $"{more} more such tensors", "the tensors of config.json"));
        }
        if (problems.Count > 0) throw new BadInputException(problems);
    }

    private static void CompareCopy(CheckpointFiles files, string copy, ParameterInfo original)
    {
        if (!files.Has(copy)) return;
        float[] values = new float[Math.Min(Block, original.Length)], expected = new float[values.Length];
        for (long done = 0; done < original.Length; done += Block)
        {
            Span<float> part = values.AsSpan(0, (int)Math.Min(Block, original.Length - done)), originalPart = expected.AsSpan(0, part.Length);
            files.Read(copy, done, part);
            files.Read(original.Name, done, originalPart);
            int same = part.CommonPrefixLength(originalPart);
            if (same < part.Length)
                throw new BadInputException(files.Describe(copy).Where, $"another value than {original.Name} at index {done + same}", $"a copy of {original.Name}: the prediction module shares it");
        }
    }
}
