using System.Runtime.CompilerServices;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// A sequence of tokens in memory-mapped files: one or several .bin files (little-endian uint16, or uint32 for vocabularies above 65536),
/// an optional bit mask, and index.json. Reading is thread-safe and crosses file borders. The files must not change while they are open.
/// </summary>
public sealed unsafe class TokenShardSet : IDisposable
{
    private readonly TokenShardIndex _index;
    private readonly MappedFile[] _files;
    private readonly long[] _firstTokens;
    private readonly MappedFile? _mask;

    private TokenShardSet(string directory, TokenShardIndex index)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("Token shards are little-endian; this machine is not.");
        Directory = directory;
        _index = index;
        ContentHash = ParseDigest(index.ContentHash);
        var opened = new List<MappedFile>();
        try
        {
            _firstTokens = new long[index.Files.Length];
            long tokens = 0;
            for (int i = 0; i < index.Files.Length; i++)
            {
                _firstTokens[i] = tokens;
                tokens += index.Files[i].Tokens;
                opened.Add(new MappedFile(Path.Combine(directory, index.Files[i].Name), index.TokenBytes(index.Files[i])));
            }
            _files = [.. opened];
            if (index.Mask is { } mask)
                opened.Add(_mask = new MappedFile(Path.Combine(directory, mask.Name), TokenShardIndex.MaskBytes(mask.Tokens)));
        }
        catch
        {
            foreach (var file in opened) file.Dispose();
            throw;
        }
    }

    /// <summary>The folder.</summary>
    public string Directory { get; }

    /// <summary>Number of tokens.</summary>
    public long TokenCount => _index.TokenCount;

    /// <summary>Every token id is below this.</summary>
    public int VocabSize => _index.VocabSize;

    /// <summary>Number of documents, as the writer counted them.</summary>
    public long Documents => _index.Documents;

    /// <summary>Bytes of text that the tokens stand for, end-of-document tokens not counted, as the writer counted them.</summary>
    public long TextBytes => _index.TextBytes;

    /// <summary>Whether some tokens do not count in the loss.</summary>
    public bool HasMask => _mask is not null;

    /// <summary>SHA-256 over vocabulary size, tokens and mask, whatever files they are spread over. As recorded; <see cref="Verify"/> checks it.</summary>
    public Digest256 ContentHash { get; }

    /// <summary>Opens a finished folder of shards. Lengths are checked, contents are not: see <see cref="Verify"/>.</summary>
    /// <param name="directory">The folder that holds index.json.</param>
    /// <exception cref="BadInputException">There is no index, or one of another format.</exception>
    /// <exception cref="CorruptionException">The index cannot be read, or a file is missing or has another length than the index says.</exception>
    public static TokenShardSet Open(string directory) => new(directory, TokenShardIndex.Load(directory));

    /// <summary>Copies the tokens [<paramref name="offset"/>, offset + tokens.Length).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside [0, <see cref="TokenCount"/>).</exception>
    public void Read(long offset, Span<int> tokens)
    {
        CheckRange(offset, tokens.Length);
        if (tokens.IsEmpty) return;
        int at = Array.BinarySearch(_firstTokens, offset);
        for (int i = at >= 0 ? at : ~at - 1; !tokens.IsEmpty; i++)
        {
            long local = offset - _firstTokens[i];
            int count = (int)Math.Min(tokens.Length, _index.Files[i].Tokens - local);
            byte* pointer = _files[i].Acquire();
            try
            {
                if (_index.BytesPerToken == sizeof(ushort)) Widen(new ReadOnlySpan<ushort>((ushort*)pointer + local, count), tokens);
                else new ReadOnlySpan<int>((int*)pointer + local, count).CopyTo(tokens);
            }
            finally
            {
                _files[i].Release();
            }
            offset += count;
            tokens = tokens[count..];
        }
    }

    /// <summary>For each token of [<paramref name="offset"/>, offset + mask.Length): 1 if its prediction counts in the loss, else 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside [0, <see cref="TokenCount"/>).</exception>
    public void ReadMask(long offset, Span<byte> mask)
    {
        CheckRange(offset, mask.Length);
        if (_mask is null)
        {
            mask.Fill(1);
            return;
        }
        byte* bits = _mask.Acquire();
        try
        {
            for (int i = 0; i < mask.Length; i++)
            {
                long token = offset + i;
                mask[i] = (byte)((bits[token >> 3] >> (int)(token & 7)) & 1);
            }
        }
        finally
        {
            _mask.Release();
        }
    }

    /// <summary>How many tokens of [<paramref name="offset"/>, offset + length) count in the loss.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range is not inside [0, <see cref="TokenCount"/>).</exception>
    public long CountUnmasked(long offset, long length)
    {
        CheckRange(offset, length);
        if (_mask is null) return length;
        byte* bits = _mask.Acquire();
        try
        {
            long count = 0, end = offset + length;
            for (; offset < end && (offset & 7) != 0; offset++) count += (bits[offset >> 3] >> (int)(offset & 7)) & 1;
            for (; offset + 8 <= end; offset += 8) count += System.Numerics.BitOperations.PopCount(bits[offset >> 3]);
            for (; offset < end; offset++) count += (bits[offset >> 3] >> (int)(offset & 7)) & 1;
            return count;
        }
        finally
        {
            _mask.Release();
        }
    }

    /// <summary>Reads everything and compares it with the hashes of the index.</summary>
    /// <exception cref="CorruptionException">A file's content is not what the index says; the message names the file.</exception>
    public void Verify()
    {
        using var all = new DigestBuilder();
        using var one = new DigestBuilder();
        for (int i = 0; i < _files.Length; i++)
        {
            _files[i].ForEachPiece(piece =>
            {
                one.Add(piece.Span);
                all.Add(piece.Span);
            });
            Compare(_files[i].Path, one.Finish(), ParseDigest(_index.Files[i].Sha256));
        }
        Digest256? mask = null;
        if (_mask is not null)
        {
            _mask.ForEachPiece(piece => one.Add(piece.Span));
            mask = one.Finish();
            Compare(_mask.Path, mask.Value, ParseDigest(_index.Mask!.Sha256));
        }
        var content = TokenShardIndex.Content(VocabSize, _index.BytesPerToken, TokenCount, all.Finish(), mask);
        Compare(Path.Combine(Directory, TokenShardIndex.FileName), content, ContentHash);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files) file.Dispose();
        _mask?.Dispose();
    }

    private Digest256 ParseDigest(string hex)
    {
        try
        {
            return Digest256.Parse(hex);
        }
        catch (FormatException error)
        {
            throw new CorruptionException(Path.Combine(Directory, TokenShardIndex.FileName), error.Message, "a SHA-256 in hexadecimal");
        }
    }

    private static void Compare(string path, Digest256 found, Digest256 expected)
    {
        if (found != expected) throw new CorruptionException(path, $"SHA-256 {found}", $"{expected}");
    }

    private static void Widen(ReadOnlySpan<ushort> source, Span<int> destination)
    {
        for (int i = 0; i < source.Length; i++) destination[i] = source[i];
    }

    private void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > TokenCount - length) ThrowOutside(offset, length);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowOutside(long offset, long length) =>
        throw new ArgumentOutOfRangeException(nameof(offset), $"[{offset}, {offset + length}) is outside of {TokenCount} tokens.");
}
