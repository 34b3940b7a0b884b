namespace ElasticTrain.Core;

/// <summary>One optimizer update of the constant global batch. Step 0 is the initial state; the first update is step 1.</summary>
/// <param name="Value">The number of updates applied.</param>
public readonly record struct Step(long Value) : IComparable<Step>
{
    /// <summary>The initial state, before any update.</summary>
    public static readonly Step Zero = new(0);

    /// <summary>The step after this one.</summary>
    public Step Next => new(Value + 1);

    /// <summary>The step before this one.</summary>
    public Step Previous => new(Value - 1);

    /// <inheritdoc/>
    public int CompareTo(Step other) => Value.CompareTo(other.Value);

    /// <summary>Orders steps by their number.</summary>
    public static bool operator <(Step left, Step right) => left.Value < right.Value;

    /// <summary>Orders steps by their number.</summary>
    public static bool operator >(Step left, Step right) => left.Value > right.Value;

    /// <summary>Orders steps by their number.</summary>
    public static bool operator <=(Step left, Step right) => left.Value <= right.Value;

    /// <summary>Orders steps by their number.</summary>
    public static bool operator >=(Step left, Step right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A virtual rank: one slot of the virtual world size V, fixed by the plan. The unit of work is (step, rank).</summary>
/// <param name="Value">0 up to, not including, V.</param>
public readonly record struct RankId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The ranks [<paramref name="Lo"/>, <paramref name="Hi"/>).</summary>
/// <param name="Lo">First rank.</param>
/// <param name="Hi">One past the last rank.</param>
public readonly record struct RankRange(int Lo, int Hi)
{
    /// <summary>How many ranks the range holds.</summary>
    public int Count => Hi - Lo;

    /// <summary>Whether every rank of <paramref name="other"/> is in this range.</summary>
    public bool Contains(RankRange other) => Lo <= other.Lo && other.Hi <= Hi;

    /// <inheritdoc/>
    public override string ToString() => $"[{Lo}, {Hi})";
}

/// <summary>A shard: one fixed contiguous piece of the flat parameter buffer, numbered in layout order.</summary>
/// <param name="Value">Index in the plan's shard list.</param>
public readonly record struct ShardId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"s{Value:000}";
}

/// <summary>A replica number of a shard. Numbers are never reused: moving or re-creating a replica makes a new one.</summary>
/// <param name="Value">Counts up from 1 over the whole run.</param>
public readonly record struct ReplicaId(int Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"r{Value}";
}

/// <summary>A coordinator's term. Replicas promise a term and refuse lower ones.</summary>
/// <param name="Value">Counts up from 1 over the whole run.</param>
public readonly record struct Term(long Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>
/// One opening of a step by one coordinator. What was contributed and sealed under an earlier one is never taken for a later one's: of two attempts at the
/// same step the higher number counts.
/// </summary>
/// <param name="Value">The term in the upper bits, a count over that term's openings in the lower <see cref="CountBits"/>.</param>
public readonly record struct Attempt(long Value) : IComparable<Attempt>
{
    /// <summary>Bits of the count.</summary>
    public const int CountBits = 32;

    /// <summary>Bits of the whole number: a frame has no more room.</summary>
    public const int Bits = 56;

    /// <summary>Before the first opening of a term.</summary>
    public static Attempt Before(Term term) => new(term.Value << CountBits);

    /// <summary>The opening after this one.</summary>
    public Attempt Next => new(Value + 1);

    /// <inheritdoc/>
    public int CompareTo(Attempt other) => Value.CompareTo(other.Value);

    /// <summary>Orders attempts by their number.</summary>
    public static bool operator <(Attempt left, Attempt right) => left.Value < right.Value;

    /// <summary>Orders attempts by their number.</summary>
    public static bool operator >(Attempt left, Attempt right) => left.Value > right.Value;

    /// <summary>Orders attempts by their number.</summary>
    public static bool operator <=(Attempt left, Attempt right) => left.Value <= right.Value;

    /// <summary>Orders attempts by their number.</summary>
    public static bool operator >=(Attempt left, Attempt right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Value >> CountBits}.{Value & ((1L << CountBits) - 1)}");
}

/// <summary>The identity of a run. Two runs of one plan are two runs.</summary>
/// <param name="Value">A random id made when the run folder is made.</param>
public readonly record struct RunId(Guid Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString("N");
}

/// <summary>A parameter version: the parameters after <paramref name="Step"/> on the history that <paramref name="Digest"/> names.</summary>
/// <param name="Step">Updates applied.</param>
/// <param name="Digest">D(step), the chained hash of everything that determined these bits.</param>
public readonly record struct Lineage(Step Step, Digest256 Digest)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Step}:{Digest.Short}";
}
