using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Cuts long texts into sections, so that also a single large file (a book, a code dump) has documents to hold out.
/// </summary>
internal static class TextSections
{
    private const int LongestSection = 32 << 10, ShortestSection = 1 << 10, SectionsAtLeast = 64;

    /// <summary>
    /// The documents of some texts. A text longer than the section size is cut at line ends, or between characters where a line is too long.
    /// The section size is 32 KiB, less (but at least 1 KiB) where all texts together are small.
    /// </summary>
    internal static IEnumerable<Document> Cut(IReadOnlyCollection<byte[]> texts)
    {
        long total = texts.Sum(text => (long)text.Length);
        int size = (int)Math.Clamp(total / SectionsAtLeast, ShortestSection, LongestSection);
        foreach (byte[] text in texts)
        {
            for (int start = 0, end; start < text.Length; start = end)
            {
                end = EndOf(text, start, size);
                yield return Document(text[start..end]);
            }
        }
    }

    /// <summary>A document that is known by its content: equal texts go to the same side.</summary>
    internal static Document Document(byte[] text)
    {
        string key = $"text:{Digest256.Of(text)}";
        return new Document(key, key, text, 0);
    }

    private static int EndOf(byte[] text, int start, int size)
    {
        // A rest that is hardly a section of its own stays with the last one.
        if (text.Length - start <= size + size / 2) return text.Length;
        int lineEnd = text.AsSpan(start, size).LastIndexOf((byte)'\n');
        if (lineEnd >= size / 2) return start + lineEnd + 1;
        int end = start + size;
        while ((text[end] & 0xC0) == 0x80) end--;
        return end;
    }
}
