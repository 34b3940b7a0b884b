using System.Numerics;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// A permutation of [0, n) chosen by a key, computed in O(1) time and memory: a balanced Feistel network over the smallest even number of
/// bits that holds n - 1, with <see cref="CounterRandom"/> as round function, walked until it lands inside [0, n).
/// Sources: Luby, Rackoff, "How to construct pseudorandom permutations from pseudorandom functions", 1988 (the network);
/// Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002, section 3 (cycle walking).
/// </summary>
public readonly struct KeyedPermutation
{
    // Four rounds are a strong pseudorandom permutation for wide halves (Luby-Rackoff); narrow halves mix less per round.
    private const int Rounds = 8;

    private readonly ulong _key;
    private readonly int _halfBits;

    /// <summary>Chooses a permutation.</summary>
    /// <param name="key">Any value; another key is another permutation.</param>
    /// <param name="count">n, at least 1.</param>
    public KeyedPermutation(ulong key, long count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        _key = key;
        Count = count;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)(count - 1));
        _halfBits = Math.Max(1, (bits + 1) / 2);
    }

    /// <summary>n.</summary>
    public long Count { get; }

    /// <summary>Where <paramref name="index"/> goes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is not in [0, n).</exception>
    public long Map(long index)
    {
        Check(index);
        // The network permutes a domain below 4n, so the walk along its cycle must come back to [0, n): after fewer than 4 steps on average.
        do index = Encrypt(index);
        while (index >= Count);
        return index;
    }

    /// <summary>Where <paramref name="index"/> comes from: the inverse of <see cref="Map"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is not in [0, n).</exception>
    public long Inverse(long index)
    {
        Check(index);
        do index = Decrypt(index);
        while (index >= Count);
        return index;
    }

    private long Encrypt(long value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = (ulong)value >> _halfBits, right = (ulong)value & mask;
        for (ulong round = 0; round < Rounds; round++) (left, right) = (right, left ^ (CounterRandom.Bits(_key, right, round) & mask));
        return (long)((left << _halfBits) | right);
    }

    private long Decrypt(long value)
    {
        ulong mask = (1UL << _halfBits) - 1;
        ulong left = (ulong)value >> _halfBits, right = (ulong)value & mask;
        for (ulong round = Rounds; round-- > 0;) (left, right) = (right ^ (CounterRandom.Bits(_key, left, round) & mask), left);
        return (long)((left << _halfBits) | right);
    }

    private void Check(long index)
    {
        if ((ulong)index >= (ulong)Count) throw new ArgumentOutOfRangeException(nameof(index), $"{index} is not in [0, {Count}).");
    }
}
