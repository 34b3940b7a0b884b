using ElasticTrain.Data.Deduplication;

namespace ElasticTrain.Data.Quality;

/// <summary>The words of a language model, known by their 64-bit hashes. Ids follow the hashes, so they do not depend on the order in which words were met.</summary>
internal sealed class Vocabulary
{
    /// <summary>Every word that the reference does not have.</summary>
    internal const int Unknown = 0;

    /// <summary>The beginning of a sentence: a context, never a prediction.</summary>
    internal const int Begin = 1;

    /// <summary>The end of a sentence.</summary>
    internal const int End = 2;

    private const int FirstWord = 3;

    private readonly ulong[] _hashes;
    private readonly int[] _slots;

    /// <summary>A vocabulary of some words.</summary>
    /// <param name="hashes">Ascending.</param>
    internal Vocabulary(ulong[] hashes)
    {
        _hashes = hashes;
        _slots = new int[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(2, 2 * hashes.Length))];
        for (int i = 0; i < hashes.Length; i++)
        {
            int slot = (int)hashes[i] & (_slots.Length - 1);
            while (_slots[slot] != 0) slot = (slot + 1) & (_slots.Length - 1);
            _slots[slot] = i + FirstWord;
        }
    }

    /// <summary>Ids, the three special ones included.</summary>
    internal int Count => _hashes.Length + FirstWord;

    internal ReadOnlySpan<ulong> Hashes => _hashes;

    /// <summary>The id of a word, <see cref="Unknown"/> if it has none.</summary>
    internal int Id(ulong hash)
    {
        for (int slot = (int)hash & (_slots.Length - 1); _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
            if (_hashes[_slots[slot] - FirstWord] == hash) return _slots[slot];
        return Unknown;
    }

    /// <summary>A reader of words as language models see them: all digits are one, so that numbers are known by their lengths.</summary>
    internal static WordScanner Scan(ReadOnlySpan<byte> text) => new(text, digitsAreOne: true);
}
