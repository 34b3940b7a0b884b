using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// The gated activation h = silu(gate) up, silu(x) = x sigmoid(x), on rows [gate | up] of twice the width (Shazeer, arXiv:2002.05202). A routed
/// expert's weight is multiplied in here, where the row is narrowest.
/// </summary>
internal static unsafe class SwiGluKernel
{
    /// <summary>h [rows, width] from gateUp [rows, 2 width], times scales [rows] if given.</summary>
    internal static void Forward(float* gateUp, float* scales, float* h, int rows, int width)
    {
        for (int row = 0; row < rows; row++, gateUp += 2 * width, h += width)
        {
            Vector256<float> scale = Vector256.Create(scales == null ? 1f : scales[row]);
            float* up = gateUp + width;
            int i = 0;
            for (; i <= width - 8; i += 8) (Silu(Vector256.Load(gateUp + i)) * Vector256.Load(up + i) * scale).Store(h + i);
            if (i < width)
                VectorMath.StorePart(Silu(VectorMath.LoadPart(gateUp + i, width - i)) * VectorMath.LoadPart(up + i, width - i) * scale, h + i, width - i);
        }
    }

    /// <summary>
    /// Replaces gateUp by its gradient, from the gradient dh of h, and dh by h itself, so that nobody has to keep it; writes the gradient of the scales if they
    /// are given.
    /// </summary>
    internal static void Backward(float* gateUp, float* scales, float* dh, float* dScales, int rows, int width)
    {
        for (int row = 0; row < rows; row++, gateUp += 2 * width, dh += width)
        {
            Vector256<float> scale = Vector256.Create(scales == null ? 1f : scales[row]), dScale = default;
            float* up = gateUp + width;
            int i = 0;
            for (; i <= width - 8; i += 8)
            {
                var (dGate, dUp, h, product) = Gradient(Vector256.Load(gateUp + i), Vector256.Load(up + i), Vector256.Load(dh + i), scale);
                dGate.Store(gateUp + i);
                dUp.Store(up + i);
                h.Store(dh + i);
                dScale += product;
            }
            if (i < width)
            {
                int count = width - i;
                var (dGate, dUp, h, product) = Gradient(VectorMath.LoadPart(gateUp + i, count), VectorMath.LoadPart(up + i, count), VectorMath.LoadPart(dh + i, count), scale);
                VectorMath.StorePart(dGate, gateUp + i, count);
                VectorMath.StorePart(dUp, up + i, count);
                VectorMath.StorePart(h, dh + i, count);
                dScale += product;
            }
            if (dScales != null) dScales[row] = VectorMath.Sum(dScale);
        }
    }

    private static Vector256<float> Silu(Vector256<float> x) => x * VectorMath.Sigmoid(x);

    /// <summary>silu'(x) = s (1 + x (1 - s)), s = sigmoid(x).</summary>
    private static (Vector256<float> Gate, Vector256<float> Up, Vector256<float> H, Vector256<float> Scale) Gradient(Vector256<float> gate, Vector256<float> up, Vector256<float> dh, Vector256<float> scale)
    {
        Vector256<float> sigmoid = VectorMath.Sigmoid(gate), silu = gate * sigmoid, scaled = dh * scale;
        Vector256<float> slope = sigmoid * Vector256.FusedMultiplyAdd(gate, Vector256<float>.One - sigmoid, Vector256<float>.One);
        return (scaled * up * slope, scaled * silu, silu * up * scale, dh * silu * up);
    }
}
