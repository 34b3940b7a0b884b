using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>One token of a text.</summary>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="Length">UTF-16 units.</param>
/// <param name="Points">Code points.</param>
/// <param name="Hash">Of its units.</param>
/// <param name="Classes">Classes of its characters together; none for a sign.</param>
internal readonly record struct TokenSpan(int Start, int Length, int Points, uint Hash, byte Classes)
{
    internal int End => Start + Length;

    internal bool IsWord => (Classes & WordCharacters.Word) != 0;

    internal bool HasLetter => (Classes & WordCharacters.Letter) != 0;

    /// <summary>
    /// The token that begins here. A word is a run of letters, marks, digits and <c>_</c>, with an apostrophe or a full stop between two letters, and a
    /// full stop, comma or apostrophe between two digits (Unicode Standard Annex 29, tailored); a Chinese character or hiragana is a word; anything
    /// else is a sign, one or several times the same.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="start">A character that is no white space.</param>
    /// <param name="end">Where the line ends.</param>
    internal static TokenSpan At(ReadOnlySpan<char> text, int start, int end)
    {
        (byte first, int units) = ClassAt(text, start, end);
        var hash = new RollingHash();
        hash.Add(text[start]);
        if (units == 2) hash.Add(text[start + 1]);
        if ((first & WordCharacters.Word) == 0) return Sign(text, start, units, end, hash);
        int at = start + units, pairs = units - 1;
        byte classes = first;
        bool isSingle = (first & WordCharacters.Single) != 0;
        while (at < end)
        {
            char character = text[at];
            byte next = WordCharacters.Class(character);
            units = 1;
            if (next == WordCharacters.Surrogate) (next, units) = ClassAt(text, at, end);
            bool isPart = isSingle ? next == WordCharacters.Mark : (next & WordCharacters.Word) != 0 && (next & WordCharacters.Single) == 0;
            if (!isPart && (isSingle || !Joins(text, at, end))) break;
            hash.Add(character);
            if (units == 2) hash.Add(text[at + 1]);
            pairs += units - 1;
            classes |= next;
            at += units;
        }
        return new TokenSpan(start, at - start, at - start - pairs, hash.Value, classes);
    }

    private static TokenSpan Sign(ReadOnlySpan<char> text, int start, int units, int end, RollingHash hash)
    {
        int at = start + units, points = 1;
        while (at + units <= end && text[at] == text[start] && (units == 1 || text[at + 1] == text[start + 1]))
        {
            hash.Add(text[at]);
            at += units;
            points++;
        }
        // The mark that makes a sign an emoji, or joins two of them, belongs to it.
        for (; at < end && WordCharacters.Class(text[at]) == WordCharacters.Mark; at++, points++) hash.Add(text[at]);
        return new TokenSpan(start, at - start, points, hash.Value, 0);
    }

    private static bool Joins(ReadOnlySpan<char> text, int at, int end)
    {
        if (text[at] is not ('\'' or '’' or '.' or ',' or '·') || at + 1 >= end) return false;
        int both = WordCharacters.Class(text[at - 1]) & WordCharacters.Class(text[at + 1]);
        return text[at] switch { ',' => (both & WordCharacters.Digit) != 0, '·' => (both & WordCharacters.Letter) != 0, _ => (both & (WordCharacters.Letter | WordCharacters.Digit)) != 0 };
    }

    private static (byte Class, int Units) ClassAt(ReadOnlySpan<char> text, int at, int end)
    {
        byte of = WordCharacters.Class(text[at]);
        bool isPair = of == WordCharacters.Surrogate && at + 1 < end && char.IsSurrogatePair(text[at], text[at + 1]);
        return isPair ? (WordCharacters.Class(new Rune(text[at], text[at + 1])), 2) : (of, 1);
    }

    /// <summary>A hash that grows with each character.</summary>
    private struct RollingHash()
    {
        private uint _value = 2166136261;

        internal readonly uint Value => (_value ^ _value >> 15) * 0x85EBCA6Bu;

        internal void Add(char character) => _value = (_value ^ character) * 16777619;
    }
}
