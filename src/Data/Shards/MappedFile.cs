using System.IO.MemoryMappedFiles;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>A file mapped read-only. Any number of threads may read; disposing waits for none of them and breaks none of them.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    internal MappedFile(string path, long expectedBytes)
    {
        var info = new FileInfo(path);
        if (!info.Exists) throw new CorruptionException(path, "no file", $"{expectedBytes} bytes");
        if (info.Length != expectedBytes) throw new CorruptionException(path, $"{info.Length} bytes", $"{expectedBytes}");
        Path = path;
        Length = expectedBytes;
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        _file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _file.CreateViewAccessor(0, expectedBytes, MemoryMappedFileAccess.Read);
    }

    internal string Path { get; }

    internal long Length { get; }

    /// <summary>The first byte; every call is paired with <see cref="Release"/>, and the mapping lives at least that long.</summary>
    internal byte* Acquire()
    {
        byte* pointer = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return pointer + _view.PointerOffset;
    }

    internal void Release() => _view.SafeMemoryMappedViewHandle.ReleasePointer();

    /// <summary>Feeds the whole file to <paramref name="consume"/>, a piece at a time.</summary>
    internal void ForEachPiece(Action<ReadOnlyMemory<byte>> consume)
    {
        byte[] buffer = new byte[1 << 20];
        byte* pointer = Acquire();
        try
        {
            for (long at = 0; at < Length; at += buffer.Length)
            {
                int count = (int)Math.Min(buffer.Length, Length - at);
                new ReadOnlySpan<byte>(pointer + at, count).CopyTo(buffer);
                consume(buffer.AsMemory(0, count));
            }
        }
        finally
        {
            Release();
        }
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
