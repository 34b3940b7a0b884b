using System.Buffers.Binary;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// Writes the few instructions that <see cref="Bf16Tile"/> is made of: registers of 512 bits, memory as base + displacement. Encodings: Intel 64 and IA-32
/// Architectures Software Developer's Manual, volume 2, sections 2.7 (EVEX) and 2.1.5 (ModRM). General registers are those without a REX bit or named in a method.
/// </summary>
internal sealed class Avx512Assembler
{
    private readonly List<byte> _code = [];

    /// <summary>General registers in the order of their numbers. The stack pointer needs another form of address and is not among them.</summary>
    internal enum General
    {
        Rax = 0,
        Rcx = 1,
        Rdx = 2,
        Rsi = 6,
        Rdi = 7,
        R8 = 8,
        R9 = 9,
    }

    /// <summary>Where the next instruction lies.</summary>
    internal int Position => _code.Count;

    /// <summary>What was written.</summary>
    internal byte[] ToArray() => [.. _code];

    /// <summary>vpxord: the register becomes 0.</summary>
    internal void Clear(int zmm) => Vector(map: 1, prefix: 1, 0xEF, zmm, zmm, zmm);

    /// <summary>vmovups from memory.</summary>
    internal void Load(int zmm, General address, int offset) => Vector(map: 1, prefix: 0, 0x10, zmm, 0, address, offset);

    /// <summary>vmovups to memory.</summary>
    internal void Store(int zmm, General address, int offset) => Vector(map: 1, prefix: 0, 0x11, zmm, 0, address, offset);

    /// <summary>vpbroadcastd: 32 bits in memory to all lanes.</summary>
    internal void Broadcast(int zmm, General address, int offset) => Vector(map: 2, prefix: 1, 0x58, zmm, 0, address, offset);

    /// <summary>vaddps: adds 16 fp32 values in memory.</summary>
    internal void Add(int zmm, General address, int offset) => Vector(map: 1, prefix: 0, 0x58, zmm, zmm, address, offset);

    /// <summary>vdpbf16ps: adds the products of 16 pairs of bf16 numbers.</summary>
    internal void DotBf16(int sums, int left, int right) => Vector(map: 2, prefix: 2, 0x52, sums, left, right);

    /// <summary>prefetcht0.</summary>
    internal void Prefetch(General address, int offset)
    {
        Bytes(0x0F, 0x18);
        Memory(1, address, offset);
    }

    /// <summary>mov between registers of 64 bits.</summary>
    internal void Move(General target, General source) => Bytes(Rex(source, target), 0x89, Registers(source, target));

    /// <summary>add between registers of 64 bits.</summary>
    internal void Add(General target, General source) => Bytes(Rex(source, target), 0x01, Registers(source, target));

    /// <summary>add of a constant.</summary>
    internal void Add(General target, int value)
    {
        Bytes(Rex(0, target), 0x81, Registers(0, target));
        Int32(value);
    }

    /// <summary>Subtracts 1 and jumps back while something is left.</summary>
    internal void LoopWhileNotZero(General counter, int start)
    {
        Bytes(Rex(0, counter), 0xFF, Registers((General)1, counter), 0x0F, 0x85);
        Int32(start - (_code.Count + 4));
    }

    /// <summary>Jumps to where <see cref="Land"/> will be called if the register is 0.</summary>
    internal int JumpIfZero(General register)
    {
        Bytes(Rex(register, register), 0x85, Registers(register, register), 0x0F, 0x84);
        Int32(0);
        return _code.Count;
    }

    /// <summary>Here a jump goes.</summary>
    internal void Land(int jump)
    {
        Span<byte> distance = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(distance, _code.Count - jump);
        for (int i = 0; i < 4; i++) _code[jump - 4 + i] = distance[i];
    }

    /// <summary>vzeroupper and ret.</summary>
    internal void Return() => Bytes(0xC5, 0xF8, 0x77, 0xC3);

    private void Vector(int map, int prefix, byte opcode, int reg, int second, int third)
    {
        Evex(map, prefix, reg, second, third >> 3, third >> 4);
        Bytes(opcode, (byte)(0xC0 | ((reg & 7) << 3) | (third & 7)));
    }

    private void Vector(int map, int prefix, byte opcode, int reg, int second, General address, int offset)
    {
        Evex(map, prefix, reg, second, (int)address >> 3, 0);
        Bytes(opcode);
        Memory(reg & 7, address, offset);
    }

    /// <summary>Register bits in the prefix are inverted.</summary>
    private void Evex(int map, int prefix, int reg, int second, int b, int x) => Bytes(
        0x62,
        (byte)(((~reg & 8) << 4) | ((~x & 1) << 6) | ((~b & 1) << 5) | (~reg & 16) | map),
        (byte)(((~second & 15) << 3) | 4 | prefix),
        (byte)(0x40 | ((~second & 16) >> 1)));

    private void Memory(int reg, General address, int offset)
    {
        Bytes((byte)(0x80 | (reg << 3) | ((int)address & 7)));
        Int32(offset);
    }

    private static byte Rex(General reg, General rm) => (byte)(0x48 | (((int)reg >> 3) << 2) | ((int)rm >> 3));

    private static byte Registers(General reg, General rm) => (byte)(0xC0 | (((int)reg & 7) << 3) | ((int)rm & 7));

    private void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        foreach (byte b in bytes) _code.Add(b);
    }

    private void Bytes(params ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes) _code.Add(b);
    }
}
