using System.Numerics;
using System.Text;

namespace ElasticTrain.Data.Deduplication;

/// <summary>
/// Goes through UTF-8 text word by word and gives each word's hash. A word is a run of letters, marks and digits, in lower case; an apostrophe inside
/// is left out, every other character separates. Chinese and Japanese characters are words of their own. Bytes that are no UTF-8 separate.
/// </summary>
internal ref struct WordScanner
{
    private const byte Separator = 0, Apostrophe = 1, Stop = 2, Space = 3, LineEnd = 4, Beyond = 5;

    // FNV-1a's constants (Fowler, Noll, Vo).
    private const ulong Offset = 0xCBF29CE484222325, Prime = 0x100000001B3;

    private static readonly byte[] Exact = Table(digitsAreOne: false), DigitsAsOne = Table(digitsAreOne: true);

    private readonly ReadOnlySpan<byte> _text;
    private readonly byte[] _table;
    private readonly bool _digitsAreOne;
    private int _at;

    /// <summary>Starts at the beginning.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="digitsAreOne">Whether all digits count as the same one.</param>
    internal WordScanner(ReadOnlySpan<byte> text, bool digitsAreOne = false)
    {
        _text = text;
        _digitsAreOne = digitsAreOne;
        _table = digitsAreOne ? DigitsAsOne : Exact;
    }

    /// <summary>The word's hash, well mixed in all 64 bits.</summary>
    internal ulong Word { get; private set; }

    /// <summary>
    /// Whether a sentence ended before this word, or, at the end, after the last one: at . ! ? before white space, at their wide forms, at an empty line.
    /// </summary>
    internal bool SentenceEnded { get; private set; }

    /// <summary>Goes to the next word; false at the end of the text.</summary>
    internal bool MoveNext()
    {
        SentenceEnded = false;
        SkipSeparators();
        if (_at >= _text.Length) return false;
        ulong hash = Offset;
        while (_at < _text.Length)
        {
            byte entry = _table[_text[_at]];
            if (entry > Beyond)
            {
                hash = (hash ^ entry) * Prime;
                _at++;
                continue;
            }
            if (entry == Apostrophe)
            {
                _at++;
                continue;
            }
            if (entry != Beyond) break;
            Rune rune = Next(out int length);
            if (IsIdeograph(rune.Value))
            {
                // Alone, or the end of the word before it.
                if (hash != Offset) break;
                hash = (hash ^ (uint)rune.Value) * Prime;
                _at += length;
                break;
            }
            if (rune.Value == '’')
            {
                _at += length;
                continue;
            }
            if (!IsWordCharacter(rune)) break;
            uint value = _digitsAreOne && Rune.IsDigit(rune) ? '0' : (uint)Rune.ToLowerInvariant(rune).Value;
            hash = (hash ^ value) * Prime;
            _at += length;
        }
        Word = Mix(hash);
        return true;
    }

    /// <summary>Spreads every bit over all: the finaliser of MurmurHash3 (Appleby).</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD;
        value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53;
        return value ^ value >> 33;
    }

    /// <summary>A hash of words in their order.</summary>
    internal static ulong Join(ReadOnlySpan<ulong> words)
    {
        ulong hash = (ulong)words.Length;
        foreach (ulong word in words) hash = (BitOperations.RotateLeft(hash, 23) ^ word) * 0x9E3779B97F4A7C15;
        return Mix(hash);
    }

    private void SkipSeparators()
    {
        (bool stopped, bool lineEnded) = (false, false);
        for (; _at < _text.Length; _at++)
        {
            byte entry = _table[_text[_at]];
            if (entry > Beyond) return;
            switch (entry)
            {
                case Stop:
                    (stopped, lineEnded) = (true, false);
                    break;
                case Space:
                    SentenceEnded |= stopped;
                    break;
                case LineEnd:
                    SentenceEnded |= stopped | lineEnded;
                    lineEnded = true;
                    break;
                case Beyond:
                    Rune rune = Next(out int length);
                    if (IsWordCharacter(rune)) return;
                    SentenceEnded |= rune.Value is '。' or '！' or '？' or '｡' or '…';
                    if (Rune.IsWhiteSpace(rune)) SentenceEnded |= stopped;
                    else lineEnded = false;
                    _at += length - 1;
                    break;
                default:
                    lineEnded = false;
                    break;
            }
        }
        SentenceEnded |= stopped;
    }

    private readonly Rune Next(out int length)
    {
        _ = Rune.DecodeFromUtf8(_text[_at..], out Rune rune, out length);
        return rune;
    }

    private static bool IsWordCharacter(Rune rune) => new CodePoint(rune.Value).Is(CodePoint.Letter | CodePoint.Mark | CodePoint.Number);

    /// <summary>Han and kana, which are written without spaces.</summary>
    private static bool IsIdeograph(int value) =>
        value is >= 0x3040 and <= 0x30FF or >= 0x3400 and <= 0x4DBF or >= 0x4E00 and <= 0x9FFF or >= 0xF900 and <= 0xFAFF or >= 0x20000 and <= 0x3FFFF or 0x3005 or 0x3007;

    /// <summary>For each byte what it stands for: a class, or the letter or digit in lower case, which are all larger.</summary>
    private static byte[] Table(bool digitsAreOne)
    {
        byte[] table = new byte[256];
        for (int i = 0; i < table.Length; i++)
        {
            char c = (char)i;
            table[i] = c switch
            {
                >= '0' and <= '9' => digitsAreOne ? (byte)'0' : (byte)i,
                >= 'a' and <= 'z' => (byte)i,
                >= 'A' and <= 'Z' => (byte)(i + 32),
                '\'' => Apostrophe,
                '.' or '!' or '?' => Stop,
                '\n' or '\v' or '\f' => LineEnd,
                ' ' or '\t' or '\r' => Space,
                >= (char)0x80 => Beyond,
                _ => Separator,
            };
        }
        return table;
    }
}
