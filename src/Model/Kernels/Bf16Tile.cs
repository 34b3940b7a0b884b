using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static ElasticTrain.Model.Kernels.Avx512Assembler;

namespace ElasticTrain.Model.Kernels;

/// <summary>
/// The innermost product of bf16 numbers with sums in fp32. A sum is one chain with k ascending by pairs, of each pair first the second product and then the first, each
/// fused into the sum and rounded to nearest even; numbers and sums too small for a normal fp32 number are 0. That is what the instruction vdpbf16ps does (Intel
/// SDM, volume 2), which the compiler does not know: where the processor has it, the kernel is made at run time; elsewhere the same is computed slowly.
/// </summary>
internal static unsafe class Bf16Tile
{
    private const int Rows = GemmTile.Rows, Lanes = GemmTile.Lanes;
    private const uint FirstOfPair = 0x0000_FFFF, SecondOfPair = 0xFFFF_0000, Exponent = 0x7F80_0000;

    private static readonly delegate* unmanaged[SuppressGCTransition]<float*, float*, nint, float*, nint, nint, void>[] _kernels = MakeKernels();

    /// <summary>Whether the processor's instruction is used.</summary>
    internal static bool IsAccelerated => _kernels.Length > 0;

    /// <summary>c [rows, columns] = a b, or added to c. Pairs of bf16 numbers take the place of fp32 numbers.</summary>
    /// <param name="a">A packed strip [pairs, 8].</param>
    /// <param name="rows">1 to 8.</param>
    /// <param name="b">A packed panel [pairs, width].</param>
    /// <param name="width">16, 32 or 48.</param>
    /// <param name="pairs">Half the length of the sums, rounded up.</param>
    /// <param name="c">The results.</param>
    /// <param name="cStride">Values from one row of c to the next.</param>
    /// <param name="columns">At most <paramref name="width"/>; what the panel has beyond is not written.</param>
    /// <param name="add">Whether the old c is added.</param>
    internal static void Multiply(float* a, int rows, float* b, int width, int pairs, float* c, nint cStride, int columns, bool add)
    {
        if (!IsAccelerated || pairs == 0) Plain(a, rows, b, width, pairs, c, cStride, columns, add);
        else if (rows == Rows && columns == width) Kernel(rows, width)(a, b, pairs, c, cStride * sizeof(float), add ? 1 : 0);
        else
        {
            float* tile = stackalloc float[Rows * 3 * Lanes];
            Kernel(rows, width)(a, b, pairs, tile, width * sizeof(float), 0);
            for (int row = 0; row < rows; row++) RowKernels.CopyOrAdd(tile + (row * width), c + (row * cStride), columns, add);
        }
    }

    /// <summary>The same on any processor.</summary>
    internal static void Plain(float* a, int rows, float* b, int width, int pairs, float* c, nint cStride, int columns, bool add)
    {
        float* sums = stackalloc float[3 * Lanes];
        for (int row = 0; row < rows; row++)
        {
            new Span<float>(sums, width).Clear();
            for (int pair = 0; pair < pairs; pair++)
            {
                Vector128<uint> left = Vector128.Create(((uint*)a)[(pair * Rows) + row]);
                for (int column = 0; column < width; column += 4)
                {
                    Vector128<uint> right = Vector128.Load((uint*)b + ((nint)pair * width) + column);
                    Vector128<float> sum = Vector128.Load(sums + column);
                    sum = Flushed(Vector128.FusedMultiplyAdd(Second(left), Second(right), sum));
                    sum = Flushed(Vector128.FusedMultiplyAdd(First(left), First(right), sum));
                    sum.Store(sums + column);
                }
            }
            RowKernels.CopyOrAdd(sums, c + (row * cStride), columns, add);
        }
    }

    private static Vector128<float> First(Vector128<uint> pairs) => Flushed(((pairs & Vector128.Create(FirstOfPair)) << 16).AsSingle());

    private static Vector128<float> Second(Vector128<uint> pairs) => Flushed((pairs & Vector128.Create(SecondOfPair)).AsSingle());

    /// <summary>A number without an exponent becomes 0 of its sign.</summary>
    private static Vector128<float> Flushed(Vector128<float> x)
    {
        Vector128<uint> bits = x.AsUInt32(), isSmall = Vector128.Equals(bits & Vector128.Create(Exponent), Vector128<uint>.Zero);
        return Vector128.ConditionalSelect(isSmall, bits & Vector128.Create(0x8000_0000u), bits).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static delegate* unmanaged[SuppressGCTransition]<float*, float*, nint, float*, nint, nint, void> Kernel(int rows, int width) =>
        _kernels[(rows > 4 ? 3 : 0) + (width / Lanes) - 1];

    private static delegate* unmanaged[SuppressGCTransition]<float*, float*, nint, float*, nint, nint, void>[] MakeKernels()
    {
        // Leaf 7, subleaf 1, EAX bit 5: AVX512_BF16. That the system saves such registers follows from the rest.
        if (!Avx512F.IsSupported || X86Base.CpuId(0, 0).Eax < 7 || X86Base.CpuId(7, 0).Eax < 1 || (X86Base.CpuId(7, 1).Eax & 32) == 0) return [];
        var kernels = new delegate* unmanaged[SuppressGCTransition]<float*, float*, nint, float*, nint, nint, void>[6];
        for (int i = 0; i < kernels.Length; i++)
        {
            nint place = ExecutableMemory.TryPlace(Assemble(i < 3 ? 4 : Rows, (i % 3) + 1));
            if (place == 0) return [];
            kernels[i] = (delegate* unmanaged[SuppressGCTransition]<float*, float*, nint, float*, nint, nint, void>)place;
        }
        return kernels;
    }

    /// <summary>(a: rdi, b: rsi, pairs: rdx, c: rcx, bytes from one row of c to the next: r8, whether to add: r9), as the System V ABI for x86-64 has it.</summary>
    private static byte[] Assemble(int rows, int vectors)
    {
        const int right = Rows * 3, left = right + 3, bytes = Lanes * sizeof(float);
        var code = new Avx512Assembler();
        // The results come last, when nothing is left to do while they are fetched.
        code.Move(General.Rax, General.Rcx);
        for (int row = 0; row < rows; row++)
        {
            for (int v = 0; v < vectors; v++) code.Prefetch(General.Rax, v * bytes);
            code.Add(General.Rax, General.R8);
        }
        for (int sum = 0; sum < rows * vectors; sum++) code.Clear(sum);
        int start = code.Position;
        for (int v = 0; v < vectors; v++) code.Load(right + v, General.Rsi, v * bytes);
        for (int row = 0; row < rows; row++)
        {
            int value = left + (row % 5);
            code.Broadcast(value, General.Rdi, row * sizeof(float));
            for (int v = 0; v < vectors; v++) code.DotBf16((row * vectors) + v, value, right + v);
        }
        code.Add(General.Rdi, Rows * sizeof(float));
        code.Add(General.Rsi, vectors * bytes);
        code.LoopWhileNotZero(General.Rdx, start);
        int plain = code.JumpIfZero(General.R9);
        Write(add: true);
        code.Return();
        code.Land(plain);
        Write(add: false);
        code.Return();
        return code.ToArray();

        void Write(bool add)
        {
            for (int row = 0; row < rows; row++)
            {
                for (int v = 0; v < vectors; v++)
                {
                    if (add) code.Add((row * vectors) + v, General.Rcx, v * bytes);
                    code.Store((row * vectors) + v, General.Rcx, v * bytes);
                }
                code.Add(General.Rcx, General.R8);
            }
        }
    }
}
