using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Shuffles documents and divides them into training and validation: a function of their keys alone, never of the order they came in.</summary>
internal static class CorpusSplit
{
    /// <summary>Divides.</summary>
    /// <exception cref="BadInputException">There are fewer than two documents that may go to different sides.</exception>
    internal static (List<Document> Train, List<Document> Validation) Divide(IEnumerable<Document> documents, CorpusOptions options, string source)
    {
        var ordered = documents
            .Select(document => (Document: document, Place: Digest256.Of($"elastictrain-order/1 {document.OrderKey}").ToString()))
            .OrderBy(item => item.Place, StringComparer.Ordinal)
            .ThenBy(item => item.Document.SplitKey, StringComparer.Ordinal)
            .ThenBy(item => item.Document.PromptBytes)
            .Select(item => item.Document);
        var chosen = Limit(ordered, options.MaxBytes);

        ulong key = CounterRandom.Key(options.Seed, "validation-split/1");
        ulong bound = (ulong)(options.ValidationShare * Math.Pow(2, 53));
        var draws = chosen.Select(document => document.SplitKey).Distinct().ToDictionary(split => split, split => Draw(key, split));
        if (draws.Count < 2)
        {
            throw new BadInputException(
                source, $"{chosen.Count} document(s), {chosen.Sum(document => (long)document.Text.Length)} bytes, that must stay together",
                "two at least: one to hold out for validation");
        }

        // With few documents chance may leave a side empty: then the document nearest to the bound changes sides.
        var validation = draws.Where(draw => draw.Value < bound).Select(draw => draw.Key).ToHashSet();
        if (validation.Count == 0) validation.Add(draws.MinBy(draw => (draw.Value, draw.Key)).Key);
        if (validation.Count == draws.Count) validation.Remove(draws.MaxBy(draw => (draw.Value, draw.Key)).Key);
        return (chosen.FindAll(document => !validation.Contains(document.SplitKey)), chosen.FindAll(document => validation.Contains(document.SplitKey)));
    }

    /// <summary>53 bits, uniform, chosen by the key and the text.</summary>
    private static ulong Draw(ulong key, string text)
    {
        Span<byte> hash = stackalloc byte[Digest256.Size];
        Digest256.Of(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{key:x16} {text}"))).CopyTo(hash);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(hash) >> 11;
    }

    private static List<Document> Limit(IEnumerable<Document> ordered, long? maxBytes)
    {
        if (maxBytes is not { } limit) return [.. ordered];
        var chosen = new List<Document>();
        foreach (var document in ordered)
        {
            if (document.Text.Length > limit) continue;
            limit -= document.Text.Length;
            chosen.Add(document);
        }
        return chosen;
    }
}
