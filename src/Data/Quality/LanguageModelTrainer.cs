using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// Learns a language model from a reference. The model depends on the reference's documents, not on their order. Memory: 4 bytes per word while it is read, then the n-grams
/// of all orders at 20 to 40 bytes each.
/// </summary>
public sealed class LanguageModelTrainer
{
    private readonly LanguageModelOptions _options;
    private readonly Dictionary<ulong, int> _ids = [];
    private readonly List<int> _words = [];
    private long _count;

    /// <summary>Starts with nothing.</summary>
    /// <exception cref="BadInputException">The options cannot be used.</exception>
    public LanguageModelTrainer(LanguageModelOptions options)
    {
        options.Validate();
        _options = options;
    }

    /// <summary>Adds a document of the reference.</summary>
    /// <param name="text">UTF-8.</param>
    /// <exception cref="BadInputException">The reference has more words than allowed.</exception>
    public void Add(ReadOnlySpan<byte> text)
    {
        bool open = false;
        var scanner = Vocabulary.Scan(text);
        while (scanner.MoveNext())
        {
            if (open && scanner.SentenceEnded) _words.Add(Vocabulary.End);
            if (!open || scanner.SentenceEnded) _words.Add(Vocabulary.Begin);
            open = true;
            ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, scanner.Word, out bool isThere);
            if (!isThere) id = -_ids.Count;
            _words.Add(id);
            if (++_count > _options.MaxWords)
                throw new BadInputException("language model: the reference", $"more than {_options.MaxWords} words", "a part of it, or a higher limit");
        }
        if (open) _words.Add(Vocabulary.End);
    }

    /// <summary>Learns from all that was added.</summary>
    /// <param name="reference">What the reference is called in reports.</param>
    /// <exception cref="BadInputException">There are no words, or too many different ones.</exception>
    public LanguageModel Train(string reference)
    {
        if (_count == 0) throw new BadInputException($"language model: the reference {reference}", "no words", "text");
        ulong[] hashes = [.. _ids.Keys];
        Array.Sort(hashes);
        var vocabulary = new Vocabulary(hashes);
        if (vocabulary.Count >= 1 << NGramTable.WordBits)
            throw new BadInputException($"language model: the reference {reference}", $"{hashes.Length} different words", $"fewer than {1 << NGramTable.WordBits}");
        // Until now words had negative numbers in the order of their coming.
        int[] idOf = new int[hashes.Length + 1];
        foreach ((ulong hash, int number) in _ids) idOf[-number] = vocabulary.Id(hash);
        Span<int> words = CollectionsMarshal.AsSpan(_words);
        int[] ids = new int[words.Length];
        for (int i = 0; i < ids.Length; i++) ids[i] = words[i] < 0 ? idOf[-words[i]] : words[i];
        return new KneserNeyBuilder(vocabulary, NGramCounts.Of(ids, _options.Order), _options).Build(reference, _count);
    }
}
