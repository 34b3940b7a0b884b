using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>
/// A language model as a file: a magic number, the reference's name, the words' hashes, the arrays of each order, all little-endian, and the SHA-256 of what stands before. It
/// holds no text. A model has one file only: the same reference and options give the same bytes.
/// </summary>
public static class LanguageModelFile
{
    private static ReadOnlySpan<byte> Magic => "ETNGRAM1"u8;

    /// <summary>Writes a file, whole or not at all.</summary>
    public static void Save(LanguageModel model, string path) => AtomicFile.Write(path, file =>
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Write(Magic);
        byte[] name = Encoding.UTF8.GetBytes(model.Reference);
        Array<int>([model.Order, name.Length, model.VocabularySize]);
        Array<long>([model.ReferenceWords]);
        Write(name);
        Array(model.Vocabulary.Hashes);
        for (int level = 0; level < model.Order; level++)
        {
            NGramLevel one = model.Levels[level];
            Array<double>([model.Discounts[level].One, model.Discounts[level].Two, model.Discounts[level].More]);
            Array<int>([one.Count]);
            Array<int>(one.Words);
            Array<float>(one.LogProbabilities);
            Array<float>(one.LogBackoffs);
            Array<int>(one.FirstChild);
        }
        file.Write(hash.GetHashAndReset());

        void Array<T>(ReadOnlySpan<T> values) where T : unmanaged => Write(MemoryMarshal.AsBytes(values));

        void Write(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(bytes);
            file.Write(bytes);
        }
    });

    /// <summary>Whether a file begins like a language model.</summary>
    public static bool Is(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> start = stackalloc byte[Magic.Length];
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual(Magic);
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="BadInputException">It is missing, cannot be read, or is no language model.</exception>
    /// <exception cref="CorruptionException">It is damaged.</exception>
    public static LanguageModel Load(string path)
    {
        try
        {
            if (!Is(path)) throw new BadInputException(path, "another kind of file", "a language model of this program");
            using FileStream file = File.OpenRead(path);
            return new Reader(file, path).Read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(path, error is FileNotFoundException or DirectoryNotFoundException ? "no such file" : error.Message, "a language model", error);
        }
    }

    private sealed class Reader(FileStream file, string path)
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        internal LanguageModel Read()
        {
            using IncrementalHash hash = _hash;
            _ = Array<byte>(Magic.Length);
            int[] sizes = Array<int>(3);
            Check(sizes[0] is >= 1 and <= LanguageModelOptions.MaxOrder, $"the order {sizes[0]}", $"1 to {LanguageModelOptions.MaxOrder}");
            long words = Array<long>(1)[0];
            string reference = Encoding.UTF8.GetString(Array<byte>(sizes[1]));
            ulong[] hashes = Array<ulong>(sizes[2]);
            var (levels, discounts) = (new NGramLevel[sizes[0]], new Discounts[sizes[0]]);
            for (int level = 0; level < levels.Length; level++)
            {
                double[] values = Array<double>(3);
                discounts[level] = new Discounts(values[0], values[1], values[2]);
                (int count, bool isLast) = (Array<int>(1)[0], level == levels.Length - 1);
                levels[level] = new NGramLevel(Array<int>(count), Array<float>(count), Array<float>(isLast ? 0 : count), Array<int>(isLast ? 0 : checked(count + 1)));
            }
            byte[] found = hash.GetHashAndReset(), expected = new byte[found.Length];
            file.ReadExactly(expected);
            Check(found.AsSpan().SequenceEqual(expected), $"SHA-256 {Convert.ToHexStringLower(found)}", Convert.ToHexStringLower(expected));
            var vocabulary = new Vocabulary(hashes);
            Check(levels[0].Count == vocabulary.Count, $"{levels[0].Count} unigrams", $"{vocabulary.Count}");
            for (int level = 0; level + 1 < levels.Length; level++) CheckLinks(levels[level].FirstChild, levels[level + 1].Count);
            return new LanguageModel(reference, words, vocabulary, levels, discounts);
        }

        private void CheckLinks(int[] first, int children)
        {
            bool isRight = first[0] == 0 && first[^1] == children;
            for (int i = 1; i < first.Length; i++) isRight &= first[i] >= first[i - 1];
            Check(isRight, "links that lead nowhere", "links to the next order");
        }

        private T[] Array<T>(int count) where T : unmanaged
        {
            // Before memory is taken: what the rest of the file cannot hold is no count.
            long bytes = (long)count * Marshal.SizeOf<T>();
            Check(count >= 0 && bytes <= file.Length - file.Position, $"a count of {count} at offset {file.Position} of {file.Length}", "what the file holds");
            T[] values = new T[count];
            Span<byte> target = MemoryMarshal.AsBytes(values.AsSpan());
            file.ReadExactly(target);
            _hash.AppendData(target);
            return values;
        }

        private void Check(bool isRight, string found, string expected)
        {
            if (!isRight) throw new CorruptionException(path, found, expected);
        }
    }
}
