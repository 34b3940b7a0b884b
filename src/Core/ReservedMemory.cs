using System.ComponentModel;
using System.Runtime.InteropServices;

namespace ElasticTrain.Core;

/// <summary>
/// fp32 values whose addresses exist from the start and whose memory only where somebody asked for it. To touch a value that has none ends the process: a
/// wrong value would be worse. Linux only.
/// </summary>
public sealed partial class ReservedMemory : IDisposable
{
    private const int ProtectionNone = 0, ProtectionReadWrite = 1 | 2, PrivateAnonymousNoReserve = 0x02 | 0x20 | 0x4000, DontNeed = 4, NoHugePage = 15, PopulateWrite = 23;

    /// <summary>Reserves addresses; no memory yet.</summary>
    /// <param name="length">Number of fp32 values, at least 1.</param>
    /// <exception cref="PlatformNotSupportedException">Not Linux.</exception>
    /// <exception cref="Win32Exception">The system has no addresses left.</exception>
    public ReservedMemory(long length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        if (!IsSupported) throw new PlatformNotSupportedException("Reserved memory is for Linux so far.");
        nuint bytes = (nuint)RoundUp(length * sizeof(float));
        nint address = mmap(0, bytes, ProtectionNone, PrivateAnonymousNoReserve, -1, 0);
        if (address == -1) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"reserving {bytes} bytes of addresses: {Marshal.GetLastPInvokeErrorMessage()}");
        // A huge page would reach beyond what was asked for. A kernel without them refuses the advice, and needs none.
        _ = madvise(address, bytes, NoHugePage);
        Values = new NativeBuffer(address, length, start => _ = munmap(start, bytes));
    }

    /// <summary>Whether this system can do it.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Bytes of a page: what is committed and released is whole pages.</summary>
    public static int PageBytes => Environment.SystemPageSize;

    /// <summary>The values, at 64-byte aligned addresses. Only those that are committed may be touched.</summary>
    public NativeBuffer Values { get; }

    /// <summary>Gives memory to some pages: zeros where there was none, otherwise what is there.</summary>
    /// <param name="firstPage">The first page.</param>
    /// <param name="pages">How many.</param>
    public void Commit(long firstPage, long pages) => Check(mprotect(Address(firstPage), Bytes(pages), ProtectionReadWrite), "giving memory to");

    /// <summary>Has committed pages made at once instead of one after another when they are touched. Changes no value.</summary>
    /// <param name="firstPage">The first page.</param>
    /// <param name="pages">How many.</param>
    public void Populate(long firstPage, long pages) => _ = madvise(Address(firstPage), Bytes(pages), PopulateWrite); // Linux 5.14; without it they come as they are touched

    /// <summary>Takes the memory of some pages back.</summary>
    /// <param name="firstPage">The first page.</param>
    /// <param name="pages">How many.</param>
    public void Release(long firstPage, long pages)
    {
        Check(madvise(Address(firstPage), Bytes(pages), DontNeed), "taking the memory from");
        Check(mprotect(Address(firstPage), Bytes(pages), ProtectionNone), "locking");
    }

    /// <inheritdoc/>
    public void Dispose() => Values.Dispose();

    private static long RoundUp(long bytes) => (bytes + PageBytes - 1) / PageBytes * PageBytes;

    private static nuint Bytes(long pages) => (nuint)(pages * PageBytes);

    private nint Address(long page) => Values.Address + (nint)(page * PageBytes);

    private static void Check(int result, string what)
    {
        if (result != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"{what} reserved pages: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int madvise(nint address, nuint length, int advice);
}
