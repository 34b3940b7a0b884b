using System.Runtime.InteropServices;

namespace ElasticTrain.Data;

/// <summary>
/// The encoding by its definition: of a pre-token's neighbouring tokens the pair whose merge was learned first becomes one token wherever it stands,
/// from the left, until there is no such pair. Slow and plain: vocabularies and faster encoders are checked against it.
/// </summary>
internal sealed class MergeEncoder
{
    private readonly int[] _idOf = new int[ByteTokenizer.ByteCount];
    private readonly Dictionary<(int Left, int Right), int> _merged = [];

    /// <param name="tokens">Bytes by id.</param>
    /// <param name="merges">In the order in which they were learned, with growing ids.</param>
    internal MergeEncoder(IReadOnlyList<byte[]?> tokens, IReadOnlyList<TokenMerge> merges)
    {
        for (int id = 0; id < tokens.Count; id++)
            if (tokens[id] is [var value]) _idOf[value] = id;
        foreach (TokenMerge merge in merges) _merged.TryAdd((merge.Left, merge.Right), merge.Id);
    }

    /// <summary>Appends the ids of one pre-token.</summary>
    internal void Encode(ReadOnlySpan<byte> preToken, List<int> ids)
    {
        int start = ids.Count;
        foreach (byte value in preToken) ids.Add(_idOf[value]);
        Span<int> tokens = CollectionsMarshal.AsSpan(ids)[start..];
        while (First(tokens) is (int left, int right, int id))
        {
            int kept = 0;
            for (int i = 0; i < tokens.Length; i++)
            {
                bool isPair = tokens[i] == left && i + 1 < tokens.Length && tokens[i + 1] == right;
                tokens[kept++] = isPair ? id : tokens[i];
                if (isPair) i++;
            }
            tokens = tokens[..kept];
        }
        CollectionsMarshal.SetCount(ids, start + tokens.Length);
    }

    private (int Left, int Right, int Id)? First(ReadOnlySpan<int> tokens)
    {
        (int Left, int Right, int Id)? first = null;
        for (int i = 0; i + 1 < tokens.Length; i++)
        {
            if (_merged.TryGetValue((tokens[i], tokens[i + 1]), out int id) && (first is null || id < first.Value.Id))
                first = (tokens[i], tokens[i + 1], id);
        }
        return first;
    }
}
