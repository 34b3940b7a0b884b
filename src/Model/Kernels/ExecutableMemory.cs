using System.Runtime.InteropServices;

namespace ElasticTrain.Model.Kernels;

/// <summary>Machine code made at run time, for instructions that the compiler does not know. It is written first and made executable afterwards: never both.</summary>
internal static unsafe partial class ExecutableMemory
{
    private const int Read = 1, Write = 2, Execute = 4, PrivateAnonymous = 0x22;

    /// <summary>Places code for the life of the process.</summary>
    /// <returns>Where it starts; 0 if this system allows no such memory.</returns>
    internal static nint TryPlace(ReadOnlySpan<byte> code)
    {
        if (!OperatingSystem.IsLinux()) return 0;
        nint pages = Map(0, (nuint)code.Length, Read | Write, PrivateAnonymous, -1, 0);
        if (pages == -1) return 0;
        code.CopyTo(new Span<byte>((void*)pages, code.Length));
        if (Protect(pages, (nuint)code.Length, Read | Execute) == 0) return pages;
        _ = Unmap(pages, (nuint)code.Length);
        return 0;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
