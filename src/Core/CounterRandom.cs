namespace ElasticTrain.Core;

/// <summary>
/// Philox4x32-10, a counter-based generator: the value is a pure function of key and counter, so that no order of evaluation, thread or
/// machine can change it. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
/// </summary>
public static class CounterRandom
{
    private const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57, Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;

    /// <summary>Four random 32-bit words for one counter value.</summary>
    /// <param name="key">Names the stream: usually the plan's seed mixed with a purpose.</param>
    /// <param name="counterLow">Lower half of the counter.</param>
    /// <param name="counterHigh">Upper half of the counter.</param>
    public static (uint A, uint B, uint C, uint D) Block(ulong key, ulong counterLow, ulong counterHigh = 0)
    {
        uint c0 = (uint)counterLow, c1 = (uint)(counterLow >> 32), c2 = (uint)counterHigh, c3 = (uint)(counterHigh >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += Weyl0;
            k1 += Weyl1;
        }
        return (c0, c1, c2, c3);
    }

    /// <summary>64 random bits.</summary>
    public static ulong Bits(ulong key, ulong counterLow, ulong counterHigh = 0)
    {
        var (a, b, _, _) = Block(key, counterLow, counterHigh);
        return ((ulong)b << 32) | a;
    }

    /// <summary>A stream's key from the plan's seed and the purpose it is used for.</summary>
    /// <param name="seed">The plan's seed.</param>
    /// <param name="purpose">Any fixed text, for example a parameter's name.</param>
    public static ulong Key(ulong seed, string purpose)
    {
        Span<byte> bytes = stackalloc byte[Digest256.Size];
        using var builder = new DigestBuilder();
        builder.Add((long)seed).Add(purpose).Finish().CopyTo(bytes);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }
}
