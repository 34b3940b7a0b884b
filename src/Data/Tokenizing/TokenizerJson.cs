using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Reads a tokenizer.json. What would give other ids than ours is refused, not passed over.</summary>
internal sealed class TokenizerJson(string path)
{
    internal TokenizerModel Read(JsonElement root)
    {
        CheckKind("", root, JsonValueKind.Object, "a tokenizer");
        CheckNothing(root, "normalizer", "normalizers");
        if (Child(root, "post_processor") is { } after && TypeOf(after) != "ByteLevel")
            throw Wrong("post_processor", after, "none, or ByteLevel: others add tokens to every text");
        PreTokenization rules = Rules(root);
        JsonElement model = Child(root, "model") ?? throw Wrong("model", null, "a model");
        if (TypeOf(model) != "BPE") throw Wrong("model.type", Child(model, "type"), "\"BPE\"");
        foreach (string name in (string[])["dropout", "continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (Child(model, name) is { } value && !(value.ValueKind == JsonValueKind.String && value.GetString() is "")) throw Wrong($"model.{name}", value, "none");
        }
        if (Child(model, "byte_fallback") is { ValueKind: JsonValueKind.True } fallback) throw Wrong("model.byte_fallback", fallback, "false: bytes are tokens");

        List<SpecialToken> specials = Specials(root);
        Dictionary<string, int> names = Names(model, specials, out byte[]?[] tokens);
        return TokenizerModel.Create(path, rules, tokens, Merges(model, names), specials);
    }

    private PreTokenization Rules(JsonElement root)
    {
        const string Expected = "one that does what gpt2, cl100k or deepseek-v3 do";
        JsonElement cutter = Child(root, "pre_tokenizer") ?? throw Wrong("pre_tokenizer", null, Expected);
        if (IsByteLevel(cutter, withExpression: true)) return PreTokenization.Gpt2;
        if (TypeOf(cutter) == "Sequence" && Child(cutter, "pretokenizers") is { ValueKind: JsonValueKind.Array } parts
            && parts.GetArrayLength() is > 0 and var count && IsByteLevel(parts[count - 1], withExpression: false))
        {
            string?[] expressions = [.. parts.EnumerateArray().Take(count - 1).Select(IsolatedExpression)];
            foreach (PreTokenization rules in Enum.GetValues<PreTokenization>())
                if (rules.Expressions().SequenceEqual(expressions)) return rules;
        }
        throw Wrong("pre_tokenizer", cutter, Expected);
    }

    private static bool IsByteLevel(JsonElement part, bool withExpression) =>
        TypeOf(part) == "ByteLevel" && !Flag(part, "add_prefix_space", true) && Flag(part, "use_regex", true) == withExpression;

    private static string? IsolatedExpression(JsonElement part) =>
        TypeOf(part) == "Split" && TextOf(part, "behavior") == "Isolated" && !Flag(part, "invert", false) && Child(part, "pattern") is { } pattern
            ? TextOf(pattern, "Regex") : null;

    private List<SpecialToken> Specials(JsonElement root)
    {
        var specials = new List<SpecialToken>();
        if (Child(root, "added_tokens") is not { } added) return specials;
        CheckKind("added_tokens", added, JsonValueKind.Array, "a list");
        foreach (JsonElement token in added.EnumerateArray())
        {
            if (TextOf(token, "content") is not { } text || IdOf(Child(token, "id")) is not { } id)
                throw Wrong($"added_tokens[{specials.Count}]", token, "an id and a content");
            foreach (string name in (string[])["single_word", "lstrip", "rstrip"])
                if (Flag(token, name, false)) throw Wrong($"added_tokens[{specials.Count}].{name}", token, "false");
            specials.Add(new SpecialToken(text, id));
        }
        return specials;
    }

    private Dictionary<string, int> Names(JsonElement model, List<SpecialToken> specials, out byte[]?[] tokens)
    {
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (SpecialToken token in specials) special[token.Text] = token.Id;
        JsonElement vocabulary = Child(model, "vocab") ?? throw Wrong("model.vocab", null, "a vocabulary");
        CheckKind("model.vocab", vocabulary, JsonValueKind.Object, "a vocabulary");
        var names = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonProperty entry in vocabulary.EnumerateObject())
        {
            if (IdOf(entry.Value) is not { } id)
                throw Wrong($"model.vocab: \"{entry.Name}\"", entry.Value, $"an id below {TokenizerModel.MostIds}");
            if (!special.TryGetValue(entry.Name, out int own)) names.Add(entry.Name, id);
            else if (own != id) throw Wrong($"model.vocab: \"{entry.Name}\"", entry.Value, $"{own}, as in added_tokens");
        }
        tokens = new byte[]?[names.Count == 0 ? 0 : names.Values.Max() + 1];
        foreach ((string name, int id) in names)
        {
            if (tokens[id] is not null) throw new BadInputException($"{path}: model.vocab", $"the id {id} twice", "one token for each id");
            tokens[id] = name.Length > 0 && ByteStandIns.Parse(name) is { } bytes
                ? bytes : throw new BadInputException($"{path}: model.vocab", $"\"{name}\"", "a token written in the stand-ins of its bytes, or one of added_tokens");
        }
        return names;
    }

    private List<TokenMerge> Merges(JsonElement model, Dictionary<string, int> names)
    {
        JsonElement list = Child(model, "merges") ?? throw Wrong("model.merges", null, "a list");
        CheckKind("model.merges", list, JsonValueKind.Array, "a list");
        var merges = new List<TokenMerge>(list.GetArrayLength());
        foreach (JsonElement merge in list.EnumerateArray())
        {
            string?[] parts = merge.ValueKind switch
            {
                JsonValueKind.String => [.. merge.GetString()!.Split(' ')],
                JsonValueKind.Array => [.. merge.EnumerateArray().Select(part => part.ValueKind == JsonValueKind.String ? part.GetString() : null)],
                _ => [],
            };
            if (parts is not [{ } left, { } right] || !names.TryGetValue(left, out int first) || !names.TryGetValue(right, out int second)
                || !names.TryGetValue(left + right, out int id))
                throw Wrong($"model.merges[{merges.Count}]", merge, "two tokens of the vocabulary whose bytes together are a third one's");
            merges.Add(new TokenMerge(first, second, id));
        }
        return merges;
    }

    private void CheckNothing(JsonElement root, string name, string list)
    {
        if (Child(root, name) is not { } value) return;
        if (TypeOf(value) == "Sequence" && Child(value, list) is { ValueKind: JsonValueKind.Array } parts && parts.GetArrayLength() == 0) return;
        throw Wrong(name, value, "none: text is encoded as it is");
    }

    private void CheckKind(string where, JsonElement value, JsonValueKind kind, string expected)
    {
        if (value.ValueKind != kind) throw Wrong(where, value, expected);
    }

    private BadInputException Wrong(string where, JsonElement? found, string expected) =>
        new(where.Length == 0 ? path : $"{path}: {where}", found is { } value ? value.GetRawText() : "nothing", expected);

    private static JsonElement? Child(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? TypeOf(JsonElement value) => TextOf(value, "type");

    private static string? TextOf(JsonElement parent, string name) => Child(parent, name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    private static int? IdOf(JsonElement? value) =>
        value is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int id) && id is >= 0 and < TokenizerModel.MostIds ? id : null;

    private static bool Flag(JsonElement parent, string name, bool otherwise) => Child(parent, name) is { } value ? value.ValueKind == JsonValueKind.True : otherwise;
}
