using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace ElasticTrain.Data;

/// <summary>Encodes and decodes with a vocabulary. May be used by several threads at once.</summary>
public sealed class SubwordTokenizer
{
    private readonly TiktokenTokenizer _encoder;
    private readonly Dictionary<string, int> _specials;
    private readonly string[] _longestFirst;
    private readonly SearchValues<string> _search;
    private readonly byte[]?[] _bytes;

    /// <summary>A tokenizer of a vocabulary.</summary>
    public SubwordTokenizer(TokenizerModel model)
    {
        Model = model;
        using var ranks = new MemoryStream();
        TokenizerFolder.WriteRanks(model, ranks);
        ranks.Position = 0;
        // It is given no special tokens: where they are allowed the text is cut at them here, and nowhere else can they come out.
        _encoder = TiktokenTokenizer.Create(ranks, new RulePreTokenizer(model.PreTokenization), normalizer: null);
        _specials = model.Specials.ToDictionary(special => special.Text, special => special.Id, StringComparer.Ordinal);
        _longestFirst = [.. _specials.Keys.OrderByDescending(text => text.Length)];
        _search = SearchValues.Create(_longestFirst, StringComparison.Ordinal);
        _bytes = [.. model.Tokens];
        foreach (SpecialToken special in model.Specials) _bytes[special.Id] = Encoding.UTF8.GetBytes(special.Text);
    }

    /// <summary>The vocabulary.</summary>
    public TokenizerModel Model { get; }

    /// <summary>Reads a vocabulary: see <see cref="TokenizerFolder.Read"/>.</summary>
    public static SubwordTokenizer Load(string path) => new(TokenizerFolder.Read(path));

    /// <summary>The ids of a text. Half of a surrogate pair counts as U+FFFD.</summary>
    /// <param name="text">The text.</param>
    /// <param name="allowSpecials">
    /// Whether special tokens that are written in the text become what they stand for, the first and of several the longest; otherwise they are text like
    /// any other, and no special id comes out.
    /// </param>
    public int[] Encode(string text, bool allowSpecials = false)
    {
        // The encoder's own idea of such a half is three characters.
        if (!Utf16.IsValid(text)) text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
        if (!allowSpecials || _longestFirst.Length == 0) return [.. _encoder.EncodeToIds(text)];
        var ids = new List<int>();
        ReadOnlySpan<char> rest = text;
        while (!rest.IsEmpty)
        {
            int at = rest.IndexOfAny(_search);
            if (at != 0) ids.AddRange(_encoder.EncodeToIds(at < 0 ? rest : rest[..at]));
            if (at < 0) break;
            rest = rest[at..];
            foreach (string special in _longestFirst)
            {
                if (!rest.StartsWith(special, StringComparison.Ordinal)) continue;
                ids.Add(_specials[special]);
                rest = rest[special.Length..];
                break;
            }
        }
        return [.. ids];
    }

    /// <summary>The bytes of ids; a special token gives its text.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id stands for nothing.</exception>
    public byte[] Decode(ReadOnlySpan<int> ids)
    {
        int length = 0;
        foreach (int id in ids) length += BytesOf(id).Length;
        byte[] bytes = new byte[length];
        int at = 0;
        foreach (int id in ids)
        {
            byte[] token = BytesOf(id);
            token.CopyTo(bytes, at);
            at += token.Length;
        }
        return bytes;
    }

    private byte[] BytesOf(int id) => ((uint)id < (uint)_bytes.Length ? _bytes[id] : null)
        ?? throw new ArgumentOutOfRangeException(nameof(id), id, $"No token has this id; ids are below {_bytes.Length}.");
}
