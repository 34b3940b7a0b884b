namespace ElasticTrain.Collectives.Tests.Reduction;

/// <summary>Made-up gradients whose sums depend on the order of addition, with signed zeros, infinities and NaNs of several payloads now and then.</summary>
internal static class Gradients
{
    public static float[] Random(Random random, int length, bool special)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = special && random.Next(6) == 0 ? Special(random) : (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 7)));
        }
        return values;
    }

    public static float[][] Ranks(Random random, int virtualRanks, int length, bool special)
    {
        var ranks = new float[virtualRanks][];
        for (int rank = 0; rank < virtualRanks; rank++) ranks[rank] = random.Next(5) == 0 ? new float[length] : Random(random, length, special);
        return ranks;
    }

    private static float Special(Random random) => random.Next(6) switch
    {
        0 => -0.0f,
        1 => float.PositiveInfinity,
        2 => float.NegativeInfinity,
        3 => BitConverter.UInt32BitsToSingle(0xFFC00123),
        4 => BitConverter.UInt32BitsToSingle(0x7FC00456),
        _ => float.Epsilon,
    };
}
