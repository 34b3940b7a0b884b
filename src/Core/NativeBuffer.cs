using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ElasticTrain.Core;

/// <summary>
/// A block of fp32 values outside the garbage-collected heap, 64-byte aligned, zero-filled when made. Flat parameter, gradient and moment
/// buffers are of this type; torch tensors, SIMD kernels and sockets work on the same memory without copies.
/// </summary>
public sealed unsafe partial class NativeBuffer : IDisposable
{
    private const int Alignment = 64, HugePage = 1 << 21;
    private const int DontNeed = 4, UseHugePages = 14; // MADV_DONTNEED, MADV_HUGEPAGE
    private const long Large = 1 << 28; // values: below a GiB nobody asks how much there is
    private readonly Action<nint>? _free;
    private float* _pointer;

    /// <summary>Allocates <paramref name="length"/> zeros.</summary>
    /// <param name="length">Number of fp32 values; may be 0.</param>
    /// <param name="isStreamed">Whether it is read from end to end again and again: the system is asked for large pages, where it has them.</param>
    /// <exception cref="BadInputException">This machine, or the part of it that the process may use, does not have that much memory.</exception>
    public NativeBuffer(long length, bool isStreamed = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length > Large && length > GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / sizeof(float)) throw TooLarge(length);
        Length = length;
        nuint bytes = (nuint)Math.Max(length * sizeof(float), Alignment);
        bool isHuge = isStreamed && bytes >= HugePage;
        _pointer = (float*)NativeMemory.AlignedAlloc(bytes, (nuint)(isHuge ? HugePage : Alignment));
        // Before the first write. A system that refuses gives small pages, which hold the same.
        if (isHuge && OperatingSystem.IsLinux()) _ = madvise(_pointer, bytes / HugePage * HugePage, UseHugePages);
        NativeMemory.Clear(_pointer, bytes);
        GC.AddMemoryPressure((long)bytes);
    }

    /// <summary>Values in memory that was had in another way.</summary>
    /// <param name="address">The first value.</param>
    /// <param name="length">Number of fp32 values.</param>
    /// <param name="free">Called once with the address, by the finalizer's thread where nobody disposed the buffer.</param>
    internal NativeBuffer(nint address, long length, Action<nint> free)
    {
        (Length, _free) = (length, free);
        _pointer = (float*)address;
    }

    /// <summary>Frees the memory of a buffer that nobody disposed.</summary>
    ~NativeBuffer() => Free();

    /// <summary>Number of fp32 values.</summary>
    public long Length { get; }

    /// <summary>Address of the first value.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer == null, this);
            return (nint)_pointer;
        }
    }

    /// <summary>All values. At most 2^31-1 of them can be seen at once; use <see cref="Slice"/> on larger buffers.</summary>
    public Span<float> Span => Slice(0, checked((int)Length));

    /// <summary>The values [<paramref name="offset"/>, offset + <paramref name="length"/>).</summary>
    public Span<float> Slice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_pointer == null, this);
        if (offset < 0 || length < 0 || offset + length > Length) ThrowOutside(offset, length);
        return new Span<float>(_pointer + offset, length);
    }

    /// <summary>Sets every value to +0.0.</summary>
    public void Clear() => NativeMemory.Clear((void*)Address, (nuint)(Length * sizeof(float)));

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Disposes the buffer and gives its pages back to the system at once: an allocator may keep what it is given, as glibc's does in this program. For large buffers that nobody
    /// makes again soon. Where the system cannot do it, an ordinary end.
    /// </summary>
    public void DisposeToSystem()
    {
        if (_pointer != null && _free is null && OperatingSystem.IsLinux())
        {
            // Whole pages inside the block: the allocator's own notes lie outside of it.
            nint page = Environment.SystemPageSize, start = ((nint)_pointer + page - 1) / page * page, end = (nint)(_pointer + Length) / page * page;
            if (end > start) _ = madvise((void*)start, (nuint)(end - start), DontNeed);
        }
        Dispose();
    }

    private void Free()
    {
        float* pointer = _pointer;
        if (pointer == null) return;
        _pointer = null;
        if (_free is not null)
        {
            _free((nint)pointer);
            return;
        }
        NativeMemory.AlignedFree(pointer);
        GC.RemoveMemoryPressure(Math.Max(Length * sizeof(float), Alignment));
    }

    private static BadInputException TooLarge(long length)
    {
        static string Gibibytes(long bytes) => (bytes / (double)(1 << 30)).ToString("0.0 'GiB'", System.Globalization.CultureInfo.InvariantCulture);
        return new BadInputException("memory", $"{length} values, {Gibibytes(length * sizeof(float))}", $"at most the {Gibibytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)} of this machine");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void ThrowOutside(long offset, int length) =>
        throw new ArgumentOutOfRangeException(nameof(offset), $"[{offset}, {offset + length}) is outside a buffer of {Length} values.");

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
