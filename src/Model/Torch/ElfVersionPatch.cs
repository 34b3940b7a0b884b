using System.Buffers.Binary;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Torch;

/// <summary>
/// Lets a shared library load where the system's libstdc++ lacks a symbol version that the library needs for a marker only.
/// libLibTorchSharp.so 0.107.0 asks for GLIBCXX_3.4.32 (GCC 13) because of one empty function, <c>std::ios_base_library_init()</c>; Debian 12 and
/// Ubuntu 22.04 stop at 3.4.30. The patch makes the version requirement weak and binds the marker to a harmless libc function that exists everywhere.
/// Layout of the structures: ELF-64 object file format; Linux Standard Base, "Symbol Versioning".
/// </summary>
internal static class ElfVersionPatch
{
    /// <summary>The version that old systems lack.</summary>
    internal const string MissingVersion = "GLIBCXX_3.4.32";

    private const string Marker = "_ZSt21ios_base_library_initv";
    private const string Substitute = "rand"; // int rand(void): called once at load with its result ignored
    private const uint DynamicSymbols = 11, VersionNeeds = 0x6ffffffe, VersionSymbols = 0x6fffffff;
    private const ushort WeakFlag = 2, UnversionedGlobal = 1;

    /// <summary>A patched copy of a 64-bit little-endian ELF library.</summary>
    /// <param name="image">The library's content.</param>
    /// <param name="where">Its path, for errors.</param>
    /// <exception cref="CorruptionException">The file is not such a library, or holds neither the version nor the marker.</exception>
    internal static byte[] Apply(ReadOnlySpan<byte> image, string where)
    {
        byte[] copy = image.ToArray();
        try
        {
            Patch(copy, where);
        }
        catch (ArgumentOutOfRangeException) // an offset in the file points outside it
        {
            throw new CorruptionException(where, "ELF tables that point outside the file", "a 64-bit ELF library");
        }
        return copy;
    }

    private static void Patch(Span<byte> file, string where)
    {
        if (file.Length < 64 || !file[..6].SequenceEqual("\u007fELF\u0002\u0001"u8))
            throw new CorruptionException(where, "no ELF header", "a 64-bit little-endian ELF library");
        Section symbols = Find(file, DynamicSymbols, where), needs = Find(file, VersionNeeds, where), versions = Find(file, VersionSymbols, where);
        Section names = At(file, symbols.Link);
        if (!WeakenVersion(file, needs, names)) throw new CorruptionException(where, $"no requirement of {MissingVersion}", "one");

        int substitute = file.Slice(names.Offset, names.Size).IndexOf(Encoding.ASCII.GetBytes(Substitute + '\0'));
        if (substitute < 0) throw new CorruptionException(where, $"no name that ends in \"{Substitute}\"", "one");
        for (int i = 0; i < symbols.Size / 24; i++)
        {
            Span<byte> symbol = file.Slice(symbols.Offset + 24 * i, 24);
            if (!NameIs(file, names, BinaryPrimitives.ReadUInt32LittleEndian(symbol), Marker)) continue;
            BinaryPrimitives.WriteUInt32LittleEndian(symbol, (uint)substitute);
            BinaryPrimitives.WriteUInt16LittleEndian(file.Slice(versions.Offset + 2 * i, 2), UnversionedGlobal);
            return;
        }
        throw new CorruptionException(where, $"no symbol {Marker}", "one");
    }

    private static bool WeakenVersion(Span<byte> file, Section needs, Section names)
    {
        for (int need = needs.Offset; ;)
        {
            int count = BinaryPrimitives.ReadUInt16LittleEndian(file.Slice(need + 2, 2));
            int auxiliary = need + Word(file, need + 8);
            for (int i = 0; i < count; i++)
            {
                if (NameIs(file, names, (uint)Word(file, auxiliary + 8), MissingVersion))
                {
                    Span<byte> flags = file.Slice(auxiliary + 4, 2);
                    BinaryPrimitives.WriteUInt16LittleEndian(flags, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(flags) | WeakFlag));
                    return true;
                }
                auxiliary += Word(file, auxiliary + 12);
            }
            int next = Word(file, need + 12);
            if (next == 0) return false;
            need += next;
        }
    }

    private readonly record struct Section(uint Type, int Offset, int Size, int Link);

    private static Section Find(ReadOnlySpan<byte> file, uint type, string where)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file.Slice(60, 2));
        for (int i = 0; i < count; i++)
        {
            Section section = At(file, i);
            if (section.Type == type) return section;
        }
        throw new CorruptionException(where, $"no section of type 0x{type:x}", "one");
    }

    private static Section At(ReadOnlySpan<byte> file, int index)
    {
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(40, 8));
        ReadOnlySpan<byte> header = file.Slice(checked((int)table) + 64 * index, 64);
        return new Section(BinaryPrimitives.ReadUInt32LittleEndian(header[4..]), (int)BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
            (int)BinaryPrimitives.ReadUInt64LittleEndian(header[32..]), BinaryPrimitives.ReadInt32LittleEndian(header[40..]));
    }

    private static int Word(ReadOnlySpan<byte> file, int offset) => BinaryPrimitives.ReadInt32LittleEndian(file.Slice(offset, 4));

    private static bool NameIs(ReadOnlySpan<byte> file, Section names, uint offset, string name)
    {
        ReadOnlySpan<byte> rest = file.Slice(names.Offset, names.Size)[(int)offset..];
        return rest.Length > name.Length && rest[name.Length] == 0 && rest[..name.Length].SequenceEqual(Encoding.ASCII.GetBytes(name));
    }
}
