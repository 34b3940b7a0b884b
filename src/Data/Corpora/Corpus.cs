using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>Prepares text for training: reads it, splits it, makes tokens, stores them as shards that are opened again in no time.</summary>
public static class Corpus
{
    /// <summary>
    /// Opens the corpus of a folder; prepares it first if there is none. An interrupted preparation leaves nothing that looks finished. Of
    /// several processes that prepare the same folder at once one works, and the others wait for it.
    /// </summary>
    /// <param name="directory">Holds corpus.json and one folder with the tokens. The input must fit in memory while it is prepared.</param>
    /// <param name="options">What to make it from.</param>
    /// <exception cref="BadInputException">The input or an option cannot be used, or the folder holds a corpus made with other options.</exception>
    /// <exception cref="CorruptionException">The folder's corpus is damaged.</exception>
    public static PreparedCorpus PrepareOrOpen(string directory, CorpusOptions options) =>
        PrepareOrOpen(directory, options, SdkPacks.InstallationFolders());

    /// <summary>Whether a folder holds a prepared corpus.</summary>
    public static bool IsPrepared(string directory) => File.Exists(Path.Combine(directory, CorpusSeal.FileName));

    /// <summary>Opens a prepared corpus.</summary>
    /// <exception cref="BadInputException">There is none.</exception>
    /// <exception cref="CorruptionException">It is damaged.</exception>
    public static PreparedCorpus Open(string directory) =>
        TryOpen(directory, null) ?? throw new BadInputException(directory, $"no {CorpusSeal.FileName}", "a prepared corpus");

    /// <inheritdoc cref="PrepareOrOpen(string, CorpusOptions)"/>
    internal static PreparedCorpus PrepareOrOpen(string directory, CorpusOptions options, IEnumerable<string> installations)
    {
        options.Validate();
        if (TryOpen(directory, options) is { } ready) return ready;
        Directory.CreateDirectory(directory);
        using (FolderLock.Acquire(directory))
        {
            if (TryOpen(directory, options) is { } prepared) return prepared;
            Prepare(directory, options, installations);
        }
        return Open(directory);
    }

    private static PreparedCorpus? TryOpen(string directory, CorpusOptions? options)
    {
        if (CorpusSeal.TryLoad(directory) is not { } seal) return null;
        if (options is not null) seal.Check(directory, options);
        string folder = Path.Combine(directory, seal.Folder);
        var train = TokenShardSet.Open(Path.Combine(folder, "train"));
        try
        {
            var validation = TokenShardSet.Open(Path.Combine(folder, "validation"));
            var content = ContentHash(train.ContentHash, validation.ContentHash);
            if (content.ToString() != seal.ContentHash)
            {
                validation.Dispose();
                throw new CorruptionException(folder, $"content hash {content}", seal.ContentHash);
            }
            return new PreparedCorpus(train, validation, seal.Description, content, Digest256.Parse(seal.TokenizerHash));
        }
        catch
        {
            train.Dispose();
            throw;
        }
    }

    private static void Prepare(string directory, CorpusOptions options, IEnumerable<string> installations)
    {
        const string Unfinished = "unfinished-";
        // The lock is held: whatever is unfinished here belongs to a process that died.
        foreach (string remains in Directory.GetDirectories(directory, Unfinished + "*")) Directory.Delete(remains, recursive: true);
        string work = Path.Combine(directory, $"{Unfinished}{Environment.ProcessId}-{Guid.NewGuid():N}");
        try
        {
            var (documents, source, where) = ReadDocuments(options, installations);
            var (train, validation) = CorpusSplit.Divide(documents, options, where);
            var content = ContentHash(Write(Path.Combine(work, "train"), train), Write(Path.Combine(work, "validation"), validation));
            string folder = Path.Combine(directory, content.Short);
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
            Directory.Move(work, folder);
            new CorpusSeal
            {
                Folder = content.Short,
                Description = $"{source}: {Size(train)} for training, {Size(validation)} for validation",
                ContentHash = content.ToString(),
                TokenizerHash = ByteTokenizer.Hash.ToString(),
                Input = CorpusSeal.FullInput(options),
                ValidationShare = options.ValidationShare,
                Seed = options.Seed,
                MaxBytes = options.MaxBytes,
            }.Save(directory);
        }
        finally
        {
            if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
        }
    }

    private static (IEnumerable<Document> Documents, string Source, string Where) ReadDocuments(CorpusOptions options, IEnumerable<string> installations)
    {
        if (options.Input is { } input) return (TextSource.Read(input), input, input);
        var roots = installations.Distinct().ToList();
        var (files, packs) = SdkPacks.Find(roots);
        if (files.Count == 0)
        {
            throw new BadInputException(
                "data", $"no input, and no packs/*/*/ref/*/*.xml in {(roots.Count == 0 ? "any .NET installation" : string.Join(" or ", roots))}",
                "data.input = a file or folder of text, or a .NET SDK with its reference documentation");
        }
        var documents = XmlDocumentation.Documents([.. DistinctContents(files)]);
        return (documents, $"the .NET reference documentation ({string.Join(", ", packs)})", "the .NET reference documentation");
    }

    /// <summary>The files' contents, each content once: SDK packs share many files.</summary>
    private static IEnumerable<(string Path, byte[] Content)> DistinctContents(IEnumerable<string> files)
    {
        var seen = new HashSet<Digest256>();
        foreach (string file in files)
        {
            byte[] content = File.ReadAllBytes(file);
            if (seen.Add(Digest256.Of(content))) yield return (file, content);
        }
    }

    private static Digest256 Write(string directory, List<Document> documents)
    {
        using var writer = new TokenShardWriter(directory, ByteTokenizer.VocabSize);
        ushort[] tokens = [];
        byte[] counts = [];
        foreach (var document in documents)
        {
            int length = document.Text.Length + 1;
            if (tokens.Length < length) (tokens, counts) = (new ushort[2 * length], new byte[2 * length]);
            for (int i = 0; i < document.Text.Length; i++) tokens[i] = document.Text[i];
            tokens[length - 1] = ByteTokenizer.EndOfDocument;
            counts.AsSpan(0, document.PromptBytes).Clear();
            counts.AsSpan(document.PromptBytes, length - document.PromptBytes).Fill(1);
            writer.Append(tokens.AsSpan(0, length), document.PromptBytes == 0 ? default : counts.AsSpan(0, length));
            writer.EndDocument(document.Text.Length);
        }
        return writer.Finish();
    }

    private static Digest256 ContentHash(Digest256 train, Digest256 validation)
    {
        using var builder = new DigestBuilder();
        return builder.Add("elastictrain-corpus/1").Add(train).Add(validation).Finish();
    }

    private static string Size(List<Document> documents)
    {
        double bytes = documents.Sum(document => (long)document.Text.Length);
        string size = bytes < 1e6
            ? (bytes / 1e3).ToString("0.0 kB", CultureInfo.InvariantCulture)
            : (bytes / 1e6).ToString("0.0 MB", CultureInfo.InvariantCulture);
        return $"{documents.Count} documents with {size}";
    }
}
