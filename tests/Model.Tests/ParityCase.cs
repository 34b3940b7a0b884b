using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model.Tests;

/// <summary>A folder of golden vectors: a model, an input, and what the published code makes of it.</summary>
internal sealed class ParityCase : IDisposable
{
    private readonly HuggingFaceModel _model;

    /// <summary>Opens a case.</summary>
    /// <param name="name">Its folder.</param>
    /// <param name="expected">The file of expected values.</param>
    /// <param name="change">Another configuration over the same weights.</param>
    internal ParityCase(string name, string expected = "expected.safetensors", Func<ModelConfig, ModelConfig>? change = null)
    {
        Folder = Path.Combine(AppContext.BaseDirectory, "Parity", name);
        _model = HuggingFaceModel.Load(Folder);
        Layout = change is null ? _model.Layout : ParameterLayout.Create(change(_model.Layout.Config));
        using JsonDocument input = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "input_ids.json")));
        int[][] rows = input.RootElement.GetProperty("input_ids").Deserialize<int[][]>()!;
        (Rows, Length) = (rows.Length, rows[0].Length);
        Tokens = [.. rows.SelectMany(row => row)];
        Expected = SafetensorsReader.Open(Path.Combine(Folder, expected));
    }

    internal string Folder { get; }
    internal ParameterLayout Layout { get; }
    internal NativeBuffer Parameters => _model.Parameters;
    internal int Rows { get; }
    internal int Length { get; }
    internal int[] Tokens { get; }
    internal SafetensorsReader Expected { get; }

    /// <summary>The batch of the expected loss: T - 1 predictions per row.</summary>
    internal MicroBatch Batch => new(Rows, Length - 1, Tokens, null);

    internal float[] Floats(string name)
    {
        float[] values = new float[Expected.Entries[name].Length];
        Expected.Read(name, values.AsSpan());
        return values;
    }

    internal long[] Integers(string name)
    {
        long[] values = new long[Expected.Entries[name].Length];
        Expected.Read(name, values.AsSpan());
        return values;
    }

    internal static double WorstDifference(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double worst = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double difference = Math.Abs((double)actual[i] - expected[i]);
            if (!(difference <= worst)) worst = difference; // also catches NaN
        }
        return worst;
    }

    public void Dispose()
    {
        Expected.Dispose();
        _model.Dispose();
    }
}
