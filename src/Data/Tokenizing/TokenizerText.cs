using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// The documents of files and folders, read one after the other and never all at once. A large file of text comes in parts that are cut where every
/// pre-tokenizer cuts too, so that its pre-tokens are those of the whole.
/// </summary>
public static class TokenizerText
{
    private const int PartBytes = 4 << 20, MostPartBytes = 256 << 20;

    /// <summary>Text files, JSON lines with a text (or a prompt and a completion), and folders with such files.</summary>
    /// <param name="inputs">Paths, at least one.</param>
    /// <exception cref="BadInputException">One is not there; while reading: a file is no UTF-8 or no JSON lines.</exception>
    public static IEnumerable<ReadOnlyMemory<byte>> Read(IReadOnlyList<string> inputs)
    {
        foreach (string input in inputs)
            if (!File.Exists(input) && !Directory.Exists(input)) throw new BadInputException(input, "no such file or folder", "text or JSON lines");
        return inputs.SelectMany(input => Directory.Exists(input) ? TextSource.FilesOf(input) : [input]).SelectMany(DocumentsOf);
    }

    private static IEnumerable<ReadOnlyMemory<byte>> DocumentsOf(string file)
    {
        bool isLines = Path.GetExtension(file).Equals(".jsonl", StringComparison.OrdinalIgnoreCase);
        return isLines ? JsonLines(file, PartBytes, MostPartBytes) : Text(file, PartBytes, MostPartBytes);
    }

    /// <summary>The text of a file in parts.</summary>
    internal static IEnumerable<ReadOnlyMemory<byte>> Text(string file, int partBytes, int mostPartBytes)
    {
        foreach ((byte[] part, long offset) in Parts(file, partBytes, mostPartBytes, PlainCut))
        {
            int start = offset == 0 && part.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
            CheckUtf8(file, part, offset);
            if (part.Length > start) yield return part.AsMemory(start);
        }
    }

    /// <summary>The texts of a file with one JSON object a line.</summary>
    internal static IEnumerable<ReadOnlyMemory<byte>> JsonLines(string file, int partBytes, int mostPartBytes)
    {
        int line = 0;
        foreach ((byte[] part, long offset) in Parts(file, partBytes, mostPartBytes, LineCut))
        {
            CheckUtf8(file, part, offset);
            ReadOnlyMemory<byte> rest = offset == 0 && part.AsSpan().StartsWith("\uFEFF"u8) ? part.AsMemory(3) : part;
            while (!rest.IsEmpty)
            {
                int end = rest.Span.IndexOf((byte)'\n');
                ReadOnlyMemory<byte> one = end < 0 ? rest : rest[..end];
                rest = end < 0 ? default : rest[(end + 1)..];
                if (TextSource.ParseLine(one, $"{file}, line {++line}") is { } document) yield return document.Text;
            }
        }
    }

    private static void CheckUtf8(string file, byte[] part, long offset)
    {
        int bad = TextSource.InvalidUtf8At(part);
        if (bad >= 0) throw new BadInputException($"{file}, offset {offset + bad}", $"the byte 0x{part[bad]:X2}", "UTF-8");
    }

    /// <summary>
    /// After a line end that stands alone between visible ASCII characters: white space decides about cuts by what follows it, and here nothing of it
    /// follows. -1 if there is no such place.
    /// </summary>
    private static int PlainCut(ReadOnlySpan<byte> bytes)
    {
        for (int at = bytes.Length - 1; at >= 2; at--)
            if (bytes[at - 1] == '\n' && IsVisible(bytes[at]) && IsVisible(bytes[at - 2])) return at;
        return -1;

        static bool IsVisible(byte value) => value is > (byte)' ' and < 0x7F;
    }

    private static int LineCut(ReadOnlySpan<byte> bytes) => bytes.LastIndexOf((byte)'\n') is >= 0 and var at ? at + 1 : -1;

    private static IEnumerable<(byte[] Part, long Offset)> Parts(string file, int partBytes, int mostPartBytes, Func<ReadOnlySpan<byte>, int> cut)
    {
        using FileStream stream = Open(file);
        // Most files are smaller than a part: no buffer is taken for what is not there.
        byte[] buffer = new byte[stream.CanSeek ? (int)Math.Min(partBytes, stream.Length + 1) : partBytes];
        (int filled, long offset) = (0, 0);
        while (true)
        {
            filled += Fill(stream, buffer.AsSpan(filled), file);
            bool isEnd = filled < buffer.Length;
            int end = isEnd ? filled : cut(buffer);
            if (end < 0 && buffer.Length < mostPartBytes)
            {
                Array.Resize(ref buffer, (int)Math.Min(mostPartBytes, 2L * buffer.Length));
                continue;
            }
            if (end < 0) end = CharacterCut(buffer);
            if (end > 0) yield return (buffer[..end], offset);
            if (isEnd) yield break;
            buffer.AsSpan(end, filled - end).CopyTo(buffer);
            filled -= end;
            offset += end;
        }
    }

    private static int CharacterCut(ReadOnlySpan<byte> bytes)
    {
        int at = bytes.Length - 1;
        while (at > bytes.Length - 4 && (bytes[at] & 0xC0) == 0x80) at--;
        return at;
    }

    private static FileStream Open(string file)
    {
        try
        {
            return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(file, error.Message, "a file that can be read", error);
        }
    }

    private static int Fill(FileStream stream, Span<byte> buffer, string file)
    {
        try
        {
            return stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (IOException error)
        {
            throw new BadInputException(file, error.Message, "a file that can be read", error);
        }
    }
}
