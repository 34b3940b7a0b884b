using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Rounds blocks of fp32 matrices to bf16 and brings them into the order in which <see cref="Bf16Tile"/> reads them. Two numbers that follow each other along k
/// share 32 bits, the first in the lower half; the second of a last odd one is 0. B becomes panels [pairs, width], A strips [pairs, 8].
/// </summary>
internal static unsafe class Bf16Packing
{
    /// <summary>Packs B [k, n], or B stored as [n, k], into panels one after another; missing columns of the last one are 0.</summary>
    internal static void Panels(float* b, nint stride, bool transposed, int k, int n, float* packed)
    {
        for (int column = 0; column < n;)
        {
            int width = GemmPacking.PanelWidth(n - column), columns = Math.Min(width, n - column);
            if (transposed) AlongRows(b + (column * stride), stride, k, columns, (uint*)packed, width);
            else AcrossRows(b + column, stride, k, columns, (uint*)packed, width);
            packed += (nint)((k + 1) / 2) * width;
            column += width;
        }
    }

    /// <summary>Packs A [m, k], or A stored as [k, m], into strips one after another; missing rows of the last one are 0.</summary>
    internal static void Strips(float* a, nint stride, bool transposed, int k, int m, float* packed)
    {
        for (int row = 0; row < m; row += GemmTile.Rows, packed += (nint)((k + 1) / 2) * GemmTile.Rows)
        {
            int rows = Math.Min(GemmTile.Rows, m - row);
            if (transposed) AcrossRows(a + row, stride, k, rows, (uint*)packed, GemmTile.Rows);
            else AlongRows(a + (row * stride), stride, k, rows, (uint*)packed, GemmTile.Rows);
        }
    }

    /// <summary>Pairs lie in two rows of the source, [k, columns].</summary>
    private static void AcrossRows(float* source, nint stride, int k, int columns, uint* packed, int width)
    {
        for (int step = 0; step < k; step += 2, source += 2 * stride, packed += width)
        {
            bool isPair = step + 1 < k;
            float* next = source + stride;
            int i = 0;
            if (isPair)
            {
                for (; Vector512.IsHardwareAccelerated && i <= columns - 16; i += 16)
                    ((Round(Vector512.Load(source + i)) >>> 16) | (Round(Vector512.Load(next + i)) & Vector512.Create(0xFFFF_0000u))).Store(packed + i);
                for (; i <= columns - 8; i += 8)
                    ((Round(Vector256.Load(source + i)) >>> 16) | (Round(Vector256.Load(next + i)) & Vector256.Create(0xFFFF_0000u))).Store(packed + i);
            }
            for (; i < columns; i++) packed[i] = Pair(source[i], isPair ? next[i] : 0);
            for (; i < width; i++) packed[i] = 0;
        }
    }

    /// <summary>Pairs lie in one row of the source, [columns, k].</summary>
    private static void AlongRows(float* source, nint stride, int k, int columns, uint* packed, int width)
    {
        int column = 0;
        for (; Avx512F.IsSupported && column <= columns - 8; column += 8)
        {
            float* at = source + (column * stride);
            uint* target = packed + column;
            int step = 0;
            for (; step <= k - 16; step += 16, at += 16, target += 8 * width)
            {
                GemmPacking.Transpose8(Pairs(at), Pairs(at + stride), Pairs(at + (2 * stride)), Pairs(at + (3 * stride)),
                    Pairs(at + (4 * stride)), Pairs(at + (5 * stride)), Pairs(at + (6 * stride)), Pairs(at + (7 * stride)), (float*)target, width);
            }
            for (; step < k; step += 2, at += 2, target += width)
            {
                for (int i = 0; i < 8; i++) target[i] = Pair(at[i * stride], step + 1 < k ? at[(i * stride) + 1] : 0);
            }
        }
        for (; column < width; column++)
        {
            float* at = source + (column * stride);
            for (int step = 0; step < k; step += 2)
                packed[(step / 2 * width) + column] = column < columns ? Pair(at[step], step + 1 < k ? at[step + 1] : 0) : 0;
        }
    }

    private static uint Pair(float first, float second) => Bfloat16.Round(first) | ((uint)Bfloat16.Round(second) << 16);

    /// <summary>16 numbers as 8 pairs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pairs(float* source)
    {
        Vector512<ulong> rounded = Round(Vector512.Load(source)).AsUInt64();
        return Avx512F.ConvertToVector256UInt32(((rounded >>> 32) & Vector512.Create(0xFFFF_0000ul)) | ((rounded >>> 16) & Vector512.Create(0xFFFFul))).AsSingle();
    }

    /// <summary><see cref="Bfloat16.Round(float)"/> of each lane, in the upper half; the lower half holds anything.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Round(Vector512<float> x)
    {
        Vector512<uint> bits = x.AsUInt32();
        return Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512<uint>.One), bits | Vector512.Create(0x40_0000u));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Round(Vector256<float> x)
    {
        Vector256<uint> bits = x.AsUInt32();
        return Vector256.ConditionalSelect(Vector256.Equals(x, x).AsUInt32(), bits + Vector256.Create(0x7FFFu) + ((bits >>> 16) & Vector256<uint>.One), bits | Vector256.Create(0x40_0000u));
    }
}
