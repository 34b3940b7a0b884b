using System.Runtime.Intrinsics;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Kernels;

/// <summary>Cross entropy of softmax(logits) against a target id, and its gradient in place of the logits.</summary>
internal static unsafe class CrossEntropyKernel
{
    /// <summary>The loss of one row in nats; the row becomes (softmax - one-hot) times <paramref name="scale"/>.</summary>
    internal static double LossAndGradient(float* logits, int width, int target, float scale)
    {
        double loss = Exponentials(logits, width, target, out float sum);
        Vector256<float> factor = Vector256.Create(scale / sum);
        int i = 0;
        for (; i <= width - 8; i += 8) (Vector256.Load(logits + i) * factor).Store(logits + i);
        for (; i < width; i++) logits[i] *= scale / sum;
        logits[target] -= scale;
        return loss;
    }

    /// <summary>The loss of one row in nats; the row's content is lost.</summary>
    internal static double Loss(float* logits, int width, int target) => Exponentials(logits, width, target, out _);

    /// <summary>Replaces the row by exp(logit - maximum).</summary>
    private static double Exponentials(float* logits, int width, int target, out float sum)
    {
        float maximum = Maximum(logits, width), own = logits[target] - maximum;
        Vector256<float> shift = Vector256.Create(maximum), sum0 = default, sum1 = default;
        int i = 0;
        for (; i <= width - 16; i += 16)
        {
            Vector256<float> a = VectorMath.Exp(Vector256.Load(logits + i) - shift), b = VectorMath.Exp(Vector256.Load(logits + i + 8) - shift);
            a.Store(logits + i);
            b.Store(logits + i + 8);
            sum0 += a;
            sum1 += b;
        }
        float rest = 0;
        for (; i < width; i += 8)
        {
            int count = Math.Min(8, width - i);
            Vector256<float> a = VectorMath.Exp(VectorMath.LoadPart(logits + i, count) - shift);
            VectorMath.StorePart(a, logits + i, count);
            for (int lane = 0; lane < count; lane++) rest += logits[i + lane];
        }
        sum = VectorMath.Sum(sum0 + sum1) + rest;
        return DeterministicMath.Log(sum) - own;
    }

    private static float Maximum(float* values, int width)
    {
        float maximum = float.NegativeInfinity;
        int i = 0;
        if (width >= 8)
        {
            Vector256<float> m = Vector256.Load(values);
            for (i = 8; i <= width - 8; i += 8) m = Vector256.MaxNative(m, Vector256.Load(values + i));
            for (int lane = 0; lane < 8; lane++) maximum = MathF.Max(maximum, m[lane]);
        }
        for (; i < width; i++) maximum = MathF.Max(maximum, values[i]);
        return maximum;
    }
}
