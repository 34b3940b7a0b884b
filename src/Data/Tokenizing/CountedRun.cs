namespace ElasticTrain.Data;

/// <summary>Byte strings with counts, in the order of their bytes, read from the first to the last.</summary>
internal abstract class CountedRun
{
    /// <summary>The string it stands at.</summary>
    internal abstract ReadOnlySpan<byte> Token { get; }

    /// <summary>Its count.</summary>
    internal long Count { get; private protected set; }

    /// <summary>Goes to the next string, at the beginning to the first; false at the end.</summary>
    internal abstract bool MoveNext();

    /// <summary>Calls back for each string of several runs, in the order of the bytes, with the sum of its counts.</summary>
    internal static void Merge(IEnumerable<CountedRun> runs, CountedToken take, CancellationToken stop)
    {
        var heap = new PriorityQueue<CountedRun, CountedRun>(Comparer<CountedRun>.Create((a, b) => a.Token.SequenceCompareTo(b.Token)));
        foreach (CountedRun run in runs)
            if (run.MoveNext()) heap.Enqueue(run, run);
        byte[] token = new byte[256];
        for (int taken = 0; heap.TryDequeue(out CountedRun? first, out _); taken++)
        {
            if ((taken & 0xFFF) == 0) stop.ThrowIfCancellationRequested();
            int length = first.Token.Length;
            if (token.Length < length) token = new byte[2 * length];
            first.Token.CopyTo(token);
            long count = first.Count;
            if (first.MoveNext()) heap.Enqueue(first, first);
            while (heap.TryPeek(out CountedRun? next, out _) && next.Token.SequenceEqual(token.AsSpan(0, length)))
            {
                count = checked(count + next.Count);
                heap.Dequeue();
                if (next.MoveNext()) heap.Enqueue(next, next);
            }
            take(token.AsSpan(0, length), count);
        }
    }
}

/// <summary>Takes a byte string and its count.</summary>
internal delegate void CountedToken(ReadOnlySpan<byte> token, long count);

/// <summary>What a table holds.</summary>
internal sealed class TableRun(PreTokenTable table) : CountedRun
{
    private readonly int[] _order = table.Sorted();
    private int _at = -1;

    internal override ReadOnlySpan<byte> Token => table[_order[_at]];

    internal override bool MoveNext()
    {
        if (++_at >= _order.Length) return false;
        Count = table.CountOf(_order[_at]);
        return true;
    }
}

/// <summary>What <see cref="RunFiles"/> wrote.</summary>
internal sealed class FileRun(Stream file) : CountedRun
{
    private readonly BinaryReader _reader = new(new BufferedStream(file, 1 << 16));
    private byte[] _token = new byte[256];
    private int _length;

    internal override ReadOnlySpan<byte> Token => _token.AsSpan(0, _length);

    internal override bool MoveNext()
    {
        _length = _reader.Read7BitEncodedInt() - 1;
        if (_length < 0) return false;
        if (_token.Length < _length) _token = new byte[2 * _length];
        _reader.BaseStream.ReadExactly(_token.AsSpan(0, _length));
        Count = _reader.Read7BitEncodedInt64();
        return true;
    }
}
