using System.Numerics;

namespace ElasticTrain.Data.Cleaning;

/// <summary>
/// Counts sequences of n tokens, n from 2 up, without any hash standing for a sequence: a sequence of n is the pair of the number of its first n - 1 tokens
/// and its last token, so that 64 bits hold it exactly. What comes once is given up, since all that begins with it comes once too.
/// </summary>
internal sealed class NgramCounter
{
    private const int MostKept = 1 << 20;

    private int[] _positions = [], _grams = [], _counts = [], _first = [];
    private ulong[] _keys = [];
    private int[] _numbers = [];
    private int _candidates, _distinct, _n;

    /// <summary>Begins with the tokens themselves.</summary>
    internal void Start(TokenTable tokens)
    {
        if (_positions.Length < tokens.Count || _positions.Length > MostKept) _positions = new int[tokens.Count];
        if (_grams.Length < tokens.Count || _grams.Length > MostKept) _grams = new int[tokens.Count];
        _candidates = 0;
        _n = 1;
        ReadOnlySpan<int> all = tokens.Tokens;
        for (int at = 0; at < all.Length; at++)
        {
            if (tokens.Occurrences(all[at]) < 2) continue;
            _positions[_candidates] = at;
            _grams[_candidates++] = all[at];
        }
    }

    /// <summary>Goes on to sequences of one token more.</summary>
    internal void Extend(ReadOnlySpan<int> tokens)
    {
        _n++;
        int mask = Reserve() - 1, kept = 0;
        _distinct = 0;
        for (int i = 0; i < _candidates; i++)
        {
            int last = _positions[i] + _n - 1;
            if (last >= tokens.Length) break;
            ulong key = (ulong)(uint)_grams[i] << 32 | (uint)tokens[last];
            int gram = NumberOf(key, mask, _positions[i]);
            _counts[gram]++;
            _positions[kept] = _positions[i];
            _grams[kept++] = gram;
        }
        _candidates = kept;
        Prune();
    }

    /// <summary>The sequence that comes most often, of several the first in the text; 0 occurrences if none comes twice.</summary>
    internal (int Position, int Occurrences) Top()
    {
        int best = -1;
        for (int i = 0; i < _candidates; i++)
            if (best < 0 || _counts[_grams[i]] > _counts[best]) best = _grams[i];
        return best < 0 ? (0, 0) : (_first[best], _counts[best]);
    }

    /// <summary>
    /// Code points of all tokens of sequences that came before, counted once: after such a sequence the search goes on behind it, and sequences that begin inside are
    /// not remembered (datatrove's find_all_duplicate).
    /// </summary>
    /// <param name="before">Code points of all tokens before a position; one entry more than tokens.</param>
    internal long DuplicatePoints(ReadOnlySpan<long> before)
    {
        Array.Clear(_first, 0, _distinct);
        long points = 0;
        int from = 0;
        for (int i = 0; i < _candidates; i++)
        {
            int at = _positions[i];
            if (at < from) continue;
            if (_first[_grams[i]] != 0)
            {
                points += before[at + _n] - before[at];
                from = at + _n;
            }
            else
            {
                _first[_grams[i]] = 1;
            }
        }
        return points;
    }

    private int NumberOf(ulong key, int mask, int position)
    {
        ulong mixed = key * 0x9E3779B97F4A7C15;
        for (int slot = (int)(mixed >> 32) & mask; ; slot = slot + 1 & mask)
        {
            int number = _numbers[slot] - 1;
            if (number < 0)
            {
                _keys[slot] = key;
                _numbers[slot] = ++_distinct;
                _counts[_distinct - 1] = 0;
                _first[_distinct - 1] = position;
                return _distinct - 1;
            }
            if (_keys[slot] == key) return number;
        }
    }

    /// <summary>Makes room for the candidates; gives the size of the table.</summary>
    private int Reserve()
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, _candidates * 2));
        if (_keys.Length < size || _keys.Length > Math.Max(size, MostKept))
        {
            _keys = new ulong[size];
            _numbers = new int[size];
        }
        else
        {
            _numbers.AsSpan(0, size).Clear();
        }
        if (_counts.Length < _candidates || _counts.Length > Math.Max(_candidates, MostKept))
        {
            _counts = new int[_candidates];
            _first = new int[_candidates];
        }
        return size;
    }

    private void Prune()
    {
        int kept = 0;
        for (int i = 0; i < _candidates; i++)
        {
            if (_counts[_grams[i]] < 2) continue;
            _positions[kept] = _positions[i];
            _grams[kept++] = _grams[i];
        }
        _candidates = kept;
    }
}
