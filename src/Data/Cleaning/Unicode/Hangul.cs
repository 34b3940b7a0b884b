namespace ElasticTrain.Data.Cleaning;

/// <summary>Syllables of Hangul are composed by arithmetic (The Unicode Standard, section 3.12).</summary>
internal static class Hangul
{
    internal const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, FinalBase = 0x11A7, Leads = 19, Vowels = 21, Finals = 28;

    internal static bool IsSyllable(int point) => (uint)(point - SyllableBase) < Leads * Vowels * Finals;

    /// <summary>The parts of a syllable; the third is 0 where there is none.</summary>
    internal static (int Lead, int Vowel, int Final) Parts(int syllable)
    {
        int index = syllable - SyllableBase, final = index % Finals;
        return (LeadBase + index / (Vowels * Finals), VowelBase + index / Finals % Vowels, final == 0 ? 0 : FinalBase + final);
    }

    /// <summary>The composition of two code points; -1 if there is none.</summary>
    internal static int Composition(int first, int second)
    {
        if ((uint)(first - LeadBase) < Leads && (uint)(second - VowelBase) < Vowels)
            return SyllableBase + ((first - LeadBase) * Vowels + second - VowelBase) * Finals;
        bool takesFinal = IsSyllable(first) && (first - SyllableBase) % Finals == 0 && second > FinalBase && second < FinalBase + Finals;
        return takesFinal ? first + second - FinalBase : -1;
    }
}
