using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;

namespace ElasticTrain.Model.Network;

/// <summary>
/// Cosines and sines of the rotary position embedding: pair j at position p turns by p theta^(-2j/d), or as YaRN changes that frequency at every position.
/// Pairs are neighbours (2j, 2j + 1).
/// </summary>
internal sealed unsafe class RotaryTable : IDisposable
{
    private readonly NativeBuffer _cosine, _sine;

    internal RotaryTable(ModelConfig config, int positions)
    {
        Positions = positions;
        Width = config.QkRopeHeadDim;
        _cosine = new NativeBuffer((long)positions * Width);
        _sine = new NativeBuffer((long)positions * Width);
        YarnScaling? yarn = config.RopeScaling;
        double factor = yarn?.RotaryFactor ?? 1;
        double step = -2 * DeterministicMath.Log(config.RopeTheta) / Width;
        for (int j = 0; j < Width / 2; j++)
        {
            double frequency = DeterministicMath.Exp(step * j);
            if (yarn is not null) frequency = yarn.Frequency(frequency, j, Width, config.RopeTheta);
            for (int position = 0; position < positions; position++)
            {
                var (sin, cos) = DeterministicMath.SinCos(position * frequency);
                float* cosines = Row(_cosine, position) + (2 * j), sines = Row(_sine, position) + (2 * j);
                cosines[0] = cosines[1] = (float)(cos * factor);
                sines[0] = (float)(-sin * factor);
                sines[1] = (float)(sin * factor);
            }
        }
    }

    /// <summary>Number of positions.</summary>
    internal int Positions { get; }

    /// <summary>Values that turn: qk_rope_head_dim.</summary>
    internal int Width { get; }

    /// <summary>Rotates <see cref="Width"/> values for a position; source and destination may be the same.</summary>
    internal void Rotate(float* source, float* destination, int position) =>
        RotaryKernel.Rotate(source, destination, Row(_cosine, position), Row(_sine, position), Width);

    /// <summary>The gradient of <see cref="Rotate"/>: the rotation back, times YaRN's factor.</summary>
    internal void RotateBack(float* source, float* destination, int position) =>
        RotaryKernel.RotateBack(source, destination, Row(_cosine, position), Row(_sine, position), Width);

    /// <inheritdoc/>
    public void Dispose()
    {
        _cosine.Dispose();
        _sine.Dispose();
    }

    private float* Row(NativeBuffer table, int position) => (float*)table.Address + ((long)position * Width);
}
