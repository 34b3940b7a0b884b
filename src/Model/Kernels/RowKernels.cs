using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ElasticTrain.Model.Kernels;

/// <summary>Moves and adds whole rows.</summary>
internal static unsafe class RowKernels
{
    /// <summary>destination[r] = source[rows[r]].</summary>
    internal static void Gather(float* source, ReadOnlySpan<int> rows, float* destination, int width)
    {
        foreach (int row in rows)
        {
            Copy(source + ((long)row * width), destination, width);
            destination += width;
        }
    }

    /// <summary>destination[t] = (add ? destination[t] : 0) + sum over j of source[rows[t k + j]], j ascending.</summary>
    internal static void GatherSum(float* source, ReadOnlySpan<int> rows, int k, float* destination, int width, bool add)
    {
        for (int t = 0; t < rows.Length / k; t++, destination += width)
        {
            ReadOnlySpan<int> chosen = rows.Slice(t * k, k);
            int first = 0;
            if (!add)
            {
                Copy(source + ((long)chosen[0] * width), destination, width);
                first = 1;
            }
            for (int j = first; j < k; j++) Add(source + ((long)chosen[j] * width), destination, width);
        }
    }

    /// <summary>destination += source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Add(float* source, float* destination, int width)
    {
        int i = 0;
        for (; i <= width - 8; i += 8) (Vector256.Load(destination + i) + Vector256.Load(source + i)).Store(destination + i);
        for (; i < width; i++) destination[i] += source[i];
    }

    /// <summary>destination = source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Copy(float* source, float* destination, int width) => new ReadOnlySpan<float>(source, width).CopyTo(new Span<float>(destination, width));

    /// <summary>destination = source, or added to it.</summary>
    internal static void CopyOrAdd(float* source, float* destination, int width, bool add)
    {
        if (add) Add(source, destination, width);
        else Copy(source, destination, width);
    }
}
