using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Writes a folder of token shards. The index is written last, so a folder whose writer died is no token shard set and can be written again.
/// One thread at a time.
/// </summary>
public sealed class TokenShardWriter : IDisposable
{
    private const int ChunkTokens = 1 << 13;

    private readonly string _directory;
    private readonly int _vocabSize;
    private readonly int _width;
    private readonly long _tokensPerFile;
    private readonly List<TokenShardIndex.ShardFile> _files = [];
    private readonly DigestBuilder _allTokens = new();
    private readonly DigestBuilder _fileTokens = new();
    private readonly MaskWriter _mask;
    private readonly ushort[] _narrow = new ushort[ChunkTokens];
    private readonly int[] _wide = new int[ChunkTokens];
    private FileStream? _file;
    private long _fileCount;
    private bool _finished;

    /// <summary>Starts a set in a folder, which is made if need be.</summary>
    /// <param name="directory">The folder. Unfinished remains in it are overwritten.</param>
    /// <param name="vocabSize">Every token id is below this; above 65536 a token takes 4 bytes instead of 2.</param>
    /// <param name="maxFileBytes">No .bin file grows beyond this.</param>
    /// <exception cref="BadInputException">The folder holds a finished set.</exception>
    public TokenShardWriter(string directory, int vocabSize, long maxFileBytes = 64L << 20)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxFileBytes, sizeof(uint));
        if (File.Exists(Path.Combine(directory, TokenShardIndex.FileName)))
            throw new BadInputException(directory, "a finished token shard set", "a folder without one");
        Directory.CreateDirectory(directory);
        _directory = directory;
        _vocabSize = vocabSize;
        _width = TokenShardIndex.WidthOf(vocabSize);
        _tokensPerFile = maxFileBytes / _width;
        _mask = new MaskWriter(directory);
    }

    /// <summary>Tokens appended so far.</summary>
    public long TokenCount { get; private set; }

    /// <summary>Documents so far: <see cref="EndDocument"/> counts them.</summary>
    public long Documents { get; private set; }

    /// <summary>Bytes of text so far: <see cref="EndDocument"/> counts them.</summary>
    public long TextBytes { get; private set; }

    /// <summary>Appends tokens.</summary>
    /// <param name="tokens">Ids below the vocabulary size.</param>
    /// <param name="counts">For each token: 0 if its prediction does not count in the loss. Empty: all count.</param>
    /// <exception cref="ArgumentException">An id is out of range, or the spans differ in length.</exception>
    public void Append(ReadOnlySpan<int> tokens, ReadOnlySpan<byte> counts = default)
    {
        CheckLengths(tokens.Length, counts.Length);
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)_vocabSize) ThrowOutOfVocabulary(token);
        }
        if (_width == sizeof(uint))
        {
            WriteAll(MemoryMarshal.AsBytes(tokens));
        }
        else
        {
            for (var rest = tokens; !rest.IsEmpty; rest = rest[Math.Min(ChunkTokens, rest.Length)..])
            {
                int count = Math.Min(ChunkTokens, rest.Length);
                for (int i = 0; i < count; i++) _narrow[i] = (ushort)rest[i];
                WriteAll(MemoryMarshal.AsBytes(_narrow.AsSpan(0, count)));
            }
        }
        _mask.Append(tokens.Length, counts);
        TokenCount += tokens.Length;
    }

    /// <inheritdoc cref="Append(ReadOnlySpan{int}, ReadOnlySpan{byte})"/>
    public void Append(ReadOnlySpan<ushort> tokens, ReadOnlySpan<byte> counts = default)
    {
        CheckLengths(tokens.Length, counts.Length);
        foreach (ushort token in tokens)
        {
            if (token >= _vocabSize) ThrowOutOfVocabulary(token);
        }
        if (_width == sizeof(ushort))
        {
            WriteAll(MemoryMarshal.AsBytes(tokens));
        }
        else
        {
            for (var rest = tokens; !rest.IsEmpty; rest = rest[Math.Min(ChunkTokens, rest.Length)..])
            {
                int count = Math.Min(ChunkTokens, rest.Length);
                for (int i = 0; i < count; i++) _wide[i] = rest[i];
                WriteAll(MemoryMarshal.AsBytes(_wide.AsSpan(0, count)));
            }
        }
        _mask.Append(tokens.Length, counts);
        TokenCount += tokens.Length;
    }

    /// <summary>Counts a document whose tokens have all been appended.</summary>
    /// <param name="textBytes">Length of its text, UTF-8.</param>
    public void EndDocument(long textBytes)
    {
        Documents++;
        TextBytes += textBytes;
    }

    /// <summary>Makes every file durable, then writes the index. Nothing can be appended afterwards.</summary>
    /// <returns>The content hash.</returns>
    public Digest256 Finish()
    {
        ObjectDisposedException.ThrowIf(_finished, this);
        CloseFile();
        var (maskFile, maskHash) = _mask.Finish(TokenCount);
        var content = TokenShardIndex.Content(_vocabSize, _width, TokenCount, _allTokens.Finish(), maskHash);
        new TokenShardIndex
        {
            Format = TokenShardIndex.CurrentFormat,
            VocabSize = _vocabSize,
            BytesPerToken = _width,
            TokenCount = TokenCount,
            Documents = Documents,
            TextBytes = TextBytes,
            ContentHash = content.ToString(),
            Files = [.. _files],
            Mask = maskFile,
        }.Save(_directory);
        _finished = true;
        return content;
    }

    /// <summary>Closes the files. Without <see cref="Finish"/> what was written stays unfinished.</summary>
    public void Dispose()
    {
        _finished = true;
        _file?.Dispose();
        _mask.Dispose();
        _allTokens.Dispose();
        _fileTokens.Dispose();
    }

    private void WriteAll(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_fileCount == _tokensPerFile) CloseFile();
            _file ??= new FileStream(Path.Combine(_directory, FileName), FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
            int count = (int)Math.Min(bytes.Length, (_tokensPerFile - _fileCount) * _width);
            var piece = bytes[..count];
            _file.Write(piece);
            _allTokens.Add(piece);
            _fileTokens.Add(piece);
            _fileCount += count / _width;
            bytes = bytes[count..];
        }
    }

    private string FileName => FormattableString.Invariant($"tokens-{_files.Count:00000}.bin");

    private void CloseFile()
    {
        if (_file is null) return;
        _file.Flush(flushToDisk: true);
        _file.Dispose();
        _file = null;
        _files.Add(new TokenShardIndex.ShardFile { Name = FileName, Tokens = _fileCount, Sha256 = _fileTokens.Finish().ToString() });
        _fileCount = 0;
    }

    private void CheckLengths(int tokens, int counts)
    {
        ObjectDisposedException.ThrowIf(_finished, this);
        if (counts != 0 && counts != tokens) throw new ArgumentException($"{tokens} tokens but {counts} counts.");
    }

    private void ThrowOutOfVocabulary(int token) => throw new ArgumentException($"Token {token} is not in [0, {_vocabSize}).");
}
