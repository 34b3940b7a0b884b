using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Reduction;

/// <summary>The definition of the sum, written down once more in the plainest way: node (j, k) covers [k 2^j, min((k+1) 2^j, V)).</summary>
internal static class SequentialFold
{
    public static float[] Sum(float[][] ranks)
    {
        int level = 0;
        while (1 << level < ranks.Length) level++;
        return Node(ranks, level, 0)!;
    }

    public static float[] Sum(float[][] ranks, RankRange block)
    {
        for (int level = 0; ; level++)
        {
            for (int index = 0; index << level < ranks.Length; index++)
            {
                if (new RankRange(index << level, Math.Min((index + 1) << level, ranks.Length)) == block) return Node(ranks, level, index)!;
            }
        }
    }

    private static float[]? Node(float[][] ranks, int level, int index)
    {
        if (index << level >= ranks.Length) return null;
        if (level == 0) return ranks[index];
        float[] left = Node(ranks, level - 1, 2 * index)!;
        float[]? right = Node(ranks, level - 1, 2 * index + 1);
        if (right is null) return left;
        var sum = new float[left.Length];
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = left[i] + right[i];
            if (float.IsNaN(sum[i])) sum[i] = BitConverter.UInt32BitsToSingle(0x7FC00000);
        }
        return sum;
    }

    public static int[] Bits(ReadOnlySpan<float> values)
    {
        var bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++) bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        return bits;
    }
}
