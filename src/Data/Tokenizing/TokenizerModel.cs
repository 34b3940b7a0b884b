using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Two tokens that become one.</summary>
/// <param name="Left">The first.</param>
/// <param name="Right">The second.</param>
/// <param name="Id">What they become.</param>
public readonly record struct TokenMerge(int Left, int Right, int Id);

/// <summary>
/// A byte-level byte-pair encoding. Its ids grow in the order of its merges, and every token is what its own bytes encode to; therefore merging by
/// the list of merges (tokenizer.json, merges.txt) and by the smallest id of what two tokens become (.tiktoken) give the same ids for any text.
/// </summary>
public sealed class TokenizerModel
{
    /// <summary>More ids than any vocabulary has.</summary>
    public const int MostIds = 1 << 22;

    private readonly byte[]?[] _tokens;

    private TokenizerModel(PreTokenization rules, byte[]?[] tokens, IReadOnlyList<TokenMerge> merges, IReadOnlyList<SpecialToken> specials)
    {
        (PreTokenization, _tokens, Merges, Specials) = (rules, tokens, merges, specials);
        Hash = HashOf();
    }

    /// <summary>Where text is cut.</summary>
    public PreTokenization PreTokenization { get; }

    /// <summary>In the order in which they were learned.</summary>
    public IReadOnlyList<TokenMerge> Merges { get; }

    /// <summary>By id.</summary>
    public IReadOnlyList<SpecialToken> Specials { get; }

    /// <summary>One more than the largest id.</summary>
    public int VocabSize => _tokens.Length;

    /// <summary>Of everything that determines ids.</summary>
    public Digest256 Hash { get; }

    /// <summary>An ordinary token's bytes by id; null where a special token or nothing stands.</summary>
    internal IReadOnlyList<byte[]?> Tokens => _tokens;

    /// <summary>An ordinary token's bytes; empty if the id is a special token's or nobody's.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : default;

    /// <summary>Makes one of its parts.</summary>
    /// <param name="where">Where the parts come from, for messages.</param>
    /// <param name="rules">Where text is cut.</param>
    /// <param name="tokens">Bytes by id; null where no ordinary token stands.</param>
    /// <param name="merges">In order.</param>
    /// <param name="specials">Their ids must be free in <paramref name="tokens"/> or beyond it.</param>
    /// <exception cref="BadInputException">They do not fit together.</exception>
    internal static TokenizerModel Create(
        string where, PreTokenization rules, IReadOnlyList<byte[]?> tokens, IReadOnlyList<TokenMerge> merges, IReadOnlyList<SpecialToken> specials)
    {
        SpecialTokens.Check($"{where}: special tokens", [.. specials.Select(special => special.Text)]);
        int size = tokens.Count;
        foreach (SpecialToken special in specials) size = Math.Max(size, special.Id + 1);
        if (size > MostIds) throw new BadInputException(where, $"the id {size - 1}", $"ids below {MostIds}");
        var all = new byte[]?[size];
        for (int id = 0; id < tokens.Count; id++) all[id] = tokens[id];
        var taken = new HashSet<int>();
        foreach (SpecialToken special in specials)
        {
            if (special.Id < 0 || all[special.Id] is not null || !taken.Add(special.Id))
                throw new BadInputException($"{where}: special token \"{special.Text}\"", $"the id {special.Id}", "an id of its own");
        }
        CheckBytes(where, all);
        CheckMerges(where, all, merges);
        CheckOwnEncodings(where, all, merges);
        return new TokenizerModel(rules, all, merges, [.. specials.OrderBy(special => special.Id)]);
    }

    private static void CheckBytes(string where, byte[]?[] tokens)
    {
        var seen = new bool[ByteTokenizer.ByteCount];
        foreach (byte[]? token in tokens)
        {
            if (token is not [var value]) continue;
            if (seen[value]) throw new BadInputException(where, $"the byte 0x{value:X2} twice", "one token for each byte");
            seen[value] = true;
        }
        int missing = Array.IndexOf(seen, false);
        if (missing >= 0) throw new BadInputException(where, $"no token for the byte 0x{missing:X2}", "one token for each byte");
    }

    private static void CheckMerges(string where, byte[]?[] tokens, IReadOnlyList<TokenMerge> merges)
    {
        int last = -1;
        for (int i = 0; i < merges.Count; i++)
        {
            (int left, int right, int id) = merges[i];
            if (id <= last) throw new BadInputException($"{where}: merge {i}", $"the id {id} after {last}", "ids that grow in the order of the merges");
            if (tokens[left] is not { } first || tokens[right] is not { } second || tokens[id] is not { } both
                || both.Length != first.Length + second.Length || !both.AsSpan().StartsWith(first) || !both.AsSpan().EndsWith(second))
                throw new BadInputException($"{where}: merge {i}", $"{left} and {right} to {id}", "two tokens and the one of both's bytes");
            last = id;
        }
        int longer = tokens.Count(token => token is { Length: > 1 });
        if (longer != merges.Count) throw new BadInputException(where, $"{longer} tokens of several bytes and {merges.Count} merges", "one merge for each");
    }

    private static void CheckOwnEncodings(string where, byte[]?[] tokens, IReadOnlyList<TokenMerge> merges)
    {
        var encoder = new MergeEncoder(tokens, merges);
        var ids = new List<int>();
        for (int id = 0; id < tokens.Length; id++)
        {
            if (tokens[id] is not { } token) continue;
            ids.Clear();
            encoder.Encode(token, ids);
            if (ids is not [var own] || own != id)
                throw new BadInputException($"{where}: token {id}", $"bytes that encode to {string.Join(", ", ids)}", "a token that its own bytes encode to");
        }
    }

    private Digest256 HashOf()
    {
        using var digest = new DigestBuilder();
        digest.Add("elastictrain-tokenizer/1").Add(PreTokenization.Name()).Add(_tokens.Length);
        foreach (byte[]? token in _tokens) digest.Add(token?.Length ?? -1).Add(token.AsSpan());
        digest.Add(Merges.Count);
        foreach (TokenMerge merge in Merges) digest.Add(merge.Left).Add(merge.Right).Add(merge.Id);
        digest.Add(Specials.Count);
        foreach (SpecialToken special in Specials) digest.Add(special.Text).Add(special.Id);
        return digest.Finish();
    }
}
