using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model.Tests;

/// <summary>A folder of golden vectors: a model, an input, and what the published code makes of it.</summary>
internal sealed class ParityCase : IDisposable
{
    internal ParityCase(string name)
    {
        Folder = Path.Combine(AppContext.BaseDirectory, "Parity", name);
        Layout = ParameterLayout.Create(ModelConfig.FromHuggingFace(Path.Combine(Folder, "config.json")));
        Parameters = new NativeBuffer(Layout.TotalLength);
        using (SafetensorsReader weights = SafetensorsReader.Open(Path.Combine(Folder, "model.safetensors")))
        {
            foreach (ParameterInfo p in Layout.Parameters)
            {
                Assert.Equal(p.Shape, weights.Entries[p.Name].Shape);
                weights.Read(p.Name, Parameters.Slice(p.Offset, (int)p.Length));
            }
            Assert.Equal(Layout.Parameters.Count, weights.Entries.Count);
        }
        using JsonDocument input = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "input_ids.json")));
        int[][] rows = input.RootElement.GetProperty("input_ids").Deserialize<int[][]>()!;
        (Rows, Length) = (rows.Length, rows[0].Length);
        Tokens = [.. rows.SelectMany(row => row)];
        Expected = SafetensorsReader.Open(Path.Combine(Folder, "expected.safetensors"));
    }

    internal string Folder { get; }
    internal ParameterLayout Layout { get; }
    internal NativeBuffer Parameters { get; }
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
        Parameters.Dispose();
    }
}
