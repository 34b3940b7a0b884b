using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Tests;

public class KernelTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 48, 513)]
    [InlineData(3, 17, 0)]
    [InlineData(7, 65, 29)]
    [InlineData(8, 130, 512)]
    [InlineData(133, 49, 1100)]
    [InlineData(20, 800, 33)]
    public void A_matrix_product_is_its_definition_to_the_last_bit_wherever_the_matrices_lie(int m, int n, int k) =>
        IsItsDefinition(m, n, k, ComputeKind.Fp32, (a, b, from, to) =>
        {
            float sum = 0;
            for (int step = from; step < to; step++) sum = MathF.FusedMultiplyAdd(a(step), b(step), sum);
            return sum;
        });

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 48, 513)]
    [InlineData(3, 17, 0)]
    [InlineData(7, 65, 29)]
    [InlineData(8, 130, 512)]
    [InlineData(133, 49, 1100)]
    [InlineData(20, 800, 33)]
    public void A_matrix_product_of_bf16_numbers_is_its_definition_to_the_last_bit(int m, int n, int k)
    {
        IsItsDefinition(m, n, k, ComputeKind.Bf16, (a, b, from, to) =>
        {
            float sum = 0;
            for (int step = from; step < to; step += 2)
            {
                if (step + 1 < to) sum = Flushed(MathF.FusedMultiplyAdd(Rounded(a(step + 1)), Rounded(b(step + 1)), sum));
                sum = Flushed(MathF.FusedMultiplyAdd(Rounded(a(step)), Rounded(b(step)), sum));
            }
            return sum;
        });

        static float Flushed(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;
        static float Rounded(float x)
        {
            uint bits = BitConverter.SingleToUInt32Bits(x), kept = bits & 0xFFFF_0000, rest = bits & 0xFFFF;
            if (rest > 0x8000 || (rest == 0x8000 && (kept & 0x1_0000) != 0)) kept += 0x1_0000;
            return Flushed(BitConverter.UInt32BitsToSingle(kept));
        }
    }

    /// <summary>Every layout of both matrices, at addresses that are multiples of nothing; a chain is what a block of k adds up to.</summary>
    private static unsafe void IsItsDefinition(int m, int n, int k, ComputeKind compute, Func<Func<int, float>, Func<int, float>, int, int, float> chain)
    {
        foreach (int layout in Enumerable.Range(0, 8))
        {
            bool aTransposed = (layout & 1) != 0, bTransposed = (layout & 2) != 0, add = (layout & 4) != 0;
            var (aRows, aColumns) = aTransposed ? (k, m) : (m, k);
            var (bRows, bColumns) = bTransposed ? (n, k) : (k, n);
            using NativeBuffer a = new(layout + (aRows * (aColumns + 3L))), b = new(layout + (bRows * (bColumns + 5L))), c = new(layout + (m * (n + 2L)));
            NormalDistribution.Fill(1, 1, a.Span);
            NormalDistribution.Fill(2, 1, b.Span);
            NormalDistribution.Fill(3, 1, c.Span);
            if (compute == ComputeKind.Bf16)
            {
                for (int i = 0; i < a.Length; i += 5) a.Span[i] *= 1e-38f; // too small for normal numbers, some of the products as well
            }
            float[] expected = c.Span.ToArray();
            for (int i = 0; i < m; i++)
            {
                for (int j = 0; j < n; j++)
                {
                    ref float element = ref expected[layout + (i * (n + 2)) + j];
                    if (!add) element = 0;
                    var (row, column) = (i, j);
                    for (int first = 0; first < k; first += 512)
                    {
                        float sum = chain(step => a.Span[layout + (aTransposed ? (step * (m + 3)) + row : (row * (k + 3)) + step)],
                            step => b.Span[layout + (bTransposed ? (column * (k + 5)) + step : (step * (n + 5)) + column)], first, Math.Min(first + 512, k));
                        element = add || first > 0 ? element + sum : sum;
                    }
                }
            }
            Gemm.Multiply((float*)a.Address + layout, aColumns + 3, aTransposed, (float*)b.Address + layout, bColumns + 5, bTransposed, (float*)c.Address + layout, n + 2, m, n, k, add, compute);
            Assert.Equal(expected, c.Span.ToArray());
        }
    }

    [Theory]
    [InlineData(8, 48)]
    [InlineData(5, 41)]
    [InlineData(3, 32)]
    [InlineData(1, 16)]
    public unsafe void The_processors_bf16_instruction_and_its_replacement_give_the_same_bits(int rows, int columns)
    {
        const int pairs = 300;
        int width = (columns + 15) / 16 * 16;
        using NativeBuffer a = new(8 * pairs), b = new(pairs * width), fast = new(rows * columns), plain = new(rows * columns);
        for (int i = 0; i < a.Length; i++) ((uint*)a.Address)[i] = Pair(1, i);
        for (int i = 0; i < b.Length; i++) ((uint*)b.Address)[i] = Pair(2, i);
        Bf16Tile.Multiply((float*)a.Address, rows, (float*)b.Address, width, pairs, (float*)fast.Address, columns, columns, add: true);
        Bf16Tile.Plain((float*)a.Address, rows, (float*)b.Address, width, pairs, (float*)plain.Address, columns, columns, add: true);
        Assert.Equal(plain.Span.ToArray(), fast.Span.ToArray());
        Assert.DoesNotContain(0f, plain.Span.ToArray());

        // Any bits but exponents of huge numbers: what overflows is no number in the end, and says nothing.
        static uint Pair(ulong key, int index) => (uint)CounterRandom.Bits(key, (ulong)index) & 0xBFFF_BFFF;
    }

    [Fact]
    public unsafe void What_is_no_number_stays_none_in_bf16()
    {
        float[] values = [float.NaN, BitConverter.UInt32BitsToSingle(0x7FFF_FFFF), BitConverter.UInt32BitsToSingle(0x7F80_0001), float.PositiveInfinity, float.MaxValue, 1];
        foreach (int n in (int[])[1, 8, 16])
        {
            foreach (float value in values)
            {
                using NativeBuffer a = new(2), b = new(2 * n), c = new(n);
                a.Span.Fill(1);
                b.Span.Fill(value);
                b.Slice(n, n).Clear();
                Gemm.Multiply((float*)a.Address, 2, false, (float*)b.Address, n, false, (float*)c.Address, n, 1, n, 2, compute: ComputeKind.Bf16);
                float expected = value == float.MaxValue ? float.PositiveInfinity : value; // it has no neighbour above among bf16 numbers
                Assert.All(c.Span.ToArray(), x => Assert.Equal(expected, x));
            }
        }
    }

    [Theory]
    [InlineData(8, 48)]
    [InlineData(5, 41)]
    [InlineData(4, 32)]
    [InlineData(3, 16)]
    [InlineData(1, 7)]
    public unsafe void Registers_of_any_width_give_the_same_bits(int rows, int columns)
    {
        const int k = 100;
        int width = (columns + 15) / 16 * 16;
        using NativeBuffer a = new(rows * k), b = new(k * width), wide = new(rows * width), narrow = new(rows * width);
        NormalDistribution.Fill(1, 1, a.Span);
        NormalDistribution.Fill(2, 1, b.Span);
        GemmTile.Multiply((float*)a.Address, k, 1, rows, (float*)b.Address, width, k, (float*)wide.Address, width, columns, add: true);
        GemmTile.Narrow((float*)a.Address, k, 1, rows, (float*)b.Address, width, k, (float*)narrow.Address, width, columns, add: true);
        Assert.Equal(wide.Span.ToArray(), narrow.Span.ToArray());
        Assert.NotEqual(0, wide.Span[columns - 1]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(150)]
    public void Attention_agrees_with_torchs(int length)
    {
        const int heads = 3, width = 20, value = 12, rows = 2;
        TorchRuntime.BindThread();
        using IDisposable scope = TorchSharp.torch.NewDisposeScope();
        Tensor q = Draw(1, rows * length, heads * width), k = Draw(2, rows * length, heads * width), v = Draw(3, rows * length, heads * value), d = Draw(4, rows * length, heads * value);
        Tensor output = zeros_like(v), dq = zeros_like(q), dk = zeros_like(k), dv = zeros_like(v);
        var attention = new Network.CausalAttention(heads, width, value, (float)(1 / Math.Sqrt(width)), ComputeKind.Fp32);
        var pass = new Network.Pass(default, default, rows, length, null!);
        attention.Forward(pass, Heads(q, width), Heads(k, width), Heads(v, value), Heads(output, value));
        attention.Backward(pass, Heads(q, width), Heads(k, width), Heads(v, value), Heads(d, value), Heads(dq, width), Heads(dk, width), Heads(dv, value));

        Tensor tq = Leaf(q, width), tk = Leaf(k, width), tv = Leaf(v, value);
        Tensor expected = nn.functional.scaled_dot_product_attention(tq, tk, tv, is_casual: true);
        expected.backward([Split(d, value)]);
        Near(Split(output, value), expected);
        Near(Split(dq, width), tq.grad!);
        Near(Split(dk, width), tk.grad!);
        Near(Split(dv, value), tv.grad!);

        unsafe Network.HeadRows Heads(Tensor t, int size) => new(t.Pointer(), heads * size, size);
        Tensor Split(Tensor t, int size) => t.view(rows, length, heads, size).transpose(1, 2);
        Tensor Leaf(Tensor t, int size) => Split(t, size).contiguous().requires_grad_();
        static void Near(Tensor actual, Tensor expected) => Assert.True((actual - expected).abs().max().item<float>() < 2e-5f);
    }

    [Fact]
    public unsafe void Exponential_is_accurate_and_keeps_what_is_no_number()
    {
        double worst = 0;
        for (float x = -87.3f; x < 88.7f; x += 0.0137f)
        {
            float actual = VectorMath.Exp(System.Runtime.Intrinsics.Vector256.Create(x))[0];
            worst = Math.Max(worst, Math.Abs((actual / Math.Exp(x)) - 1));
        }
        Assert.InRange(worst, 0, 2.5e-7);
        Assert.True(float.IsNaN(VectorMath.Exp(System.Runtime.Intrinsics.Vector256.Create(float.NaN))[0]));
    }

    [Fact]
    public void A_rank_leaves_no_tensor_behind()
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch batch = model.Batch(1);
        var statistics = TorchSharp.DisposeScopeManager.Statistics.TensorStatistics;
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        model.Replica.ComputeRank([batch], 64, 0, gradient);
        model.Replica.ComputeRank([batch], 64, 2, gradient);
        model.Replica.SumLoss(batch);
        long live = statistics.ThreadTotalLiveCount;
        for (int i = 0; i < 3; i++)
        {
            model.Replica.ComputeRank([batch, batch], 64, 0, gradient);
            model.Replica.ComputeRank([batch], 64, 2, gradient);
            model.Replica.SumLoss(batch);
            model.Replica.Generate([1, 2], 2, 1, 1);
        }
        Assert.Equal(live, statistics.ThreadTotalLiveCount);
    }

    private static Tensor Draw(ulong key, int rows, int columns)
    {
        float[] values = new float[rows * columns];
        NormalDistribution.Fill(key, 1, values);
        return tensor(values, rows, columns);
    }
}
