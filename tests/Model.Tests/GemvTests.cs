using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Network;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public unsafe class GemvTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 5, 64)]
    [InlineData(1, 3, 63)]
    [InlineData(2, 7, 65)]
    [InlineData(3, 4, 200)]
    [InlineData(4, 9, 512)]
    [InlineData(5, 1, 1000)]
    [InlineData(7, 6, 129)]
    [InlineData(3, 2, 0)]
    public void A_product_of_few_rows_is_near_the_exact_one_wherever_the_matrices_lie(int rows, int n, int k)
    {
        foreach (bool add in (bool[])[false, true])
        {
            for (int shift = 0; shift < 16; shift += 5)
            {
                using NativeBuffer x = Draw(1, shift + (rows * (k + 3))), w = Draw(2, shift + (n * (k + 5))), y = Draw(3, shift + (rows * (n + 2))), z = Draw(3, shift + (rows * (n + 2)));
                ushort[] rounded = new ushort[w.Length];
                Bfloat16.Round(w.Span, rounded);
                Bfloat16.Widen(rounded, w.Span);
                float[] before = y.Span.ToArray();
                Gemv.Multiply(At(x) + shift, k + 3, At(w) + shift, k + 5, At(y) + shift, n + 2, rows, n, k, add);
                fixed (ushort* half = rounded) Gemv.Multiply(At(x) + shift, k + 3, half + shift, k + 5, At(z) + shift, n + 2, rows, n, k, add);
                Assert.Equal(y.Span.ToArray(), z.Span.ToArray()); // the format does not matter, only the value
                for (int i = 0; i < y.Length; i++)
                {
                    int row = (i - shift) / (n + 2), column = (i - shift) % (n + 2);
                    if (i < shift || column >= n)
                    {
                        Assert.Equal(before[i], y.Span[i]);
                        continue;
                    }
                    double sum = add ? before[i] : 0, magnitude = Math.Abs(sum);
                    for (int j = 0; j < k; j++)
                    {
                        double product = (double)x.Span[shift + (row * (k + 3)) + j] * w.Span[shift + (column * (k + 5)) + j];
                        sum += product;
                        magnitude += Math.Abs(product);
                    }
                    Assert.True(Math.Abs(y.Span[i] - sum) <= 1e-6 * magnitude, $"{y.Span[i]} is not {sum}");
                }
            }
        }
    }

    [Theory]
    [InlineData(640)]
    [InlineData(77)]
    public void The_order_of_a_sum_is_64_chains_and_their_tree_for_any_number_of_rows(int k)
    {
        const int rows = 7;
        using NativeBuffer x = Draw(1, rows * k), w = Draw(2, k), y = new(rows), single = new(1);
        Gemv.Multiply(At(x), k, At(w), k, At(y), 1, rows, 1, k);
        for (int row = 0; row < rows; row++)
        {
            float[] chains = new float[64];
            for (int i = 0; i < k / 64 * 64; i++) chains[i % 64] = MathF.FusedMultiplyAdd(w.Span[i], x.Span[(row * k) + i], chains[i % 64]);
            float[] lanes = [.. Enumerable.Range(0, 16).Select(i => chains[i] + chains[i + 16] + (chains[i + 32] + chains[i + 48]))];
            float[] halves = [.. Enumerable.Range(0, 8).Select(i => lanes[i] + lanes[i + 8])];
            float sum = VectorMath.Sum(Vector256.Create(halves)), rest = 0;
            for (int i = k / 64 * 64; i < k; i++) rest = MathF.FusedMultiplyAdd(w.Span[i], x.Span[(row * k) + i], rest);
            Assert.Equal(sum + rest, y.Span[row]);
            Gemv.Multiply(At(x) + (row * k), k, At(w), k, At(single), 1, 1, 1, k);
            Assert.Equal(y.Span[row], single.Span[0]);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(300, 64)]
    [InlineData(128, 33)]
    [InlineData(17, 5)]
    [InlineData(9, 0)]
    public void Rows_are_combined_one_after_another(int n, int k)
    {
        using NativeBuffer x = Draw(1, Math.Max(k, 1)), w = Draw(2, 3 + ((k + 1) * (n + 1))), y = new(n + 1), z = new(n + 1);
        ushort[] rounded = new ushort[w.Length];
        Bfloat16.Round(w.Span, rounded);
        Bfloat16.Widen(rounded, w.Span);
        y.Span[n] = z.Span[n] = -1;
        Gemv.Combine(At(x), At(w) + 3, n + 1, At(y), n, k);
        fixed (ushort* half = rounded) Gemv.Combine(At(x), half + 3, n + 1, At(z), n, k);
        Assert.Equal(y.Span.ToArray(), z.Span.ToArray());
        Assert.Equal(-1, y.Span[n]);
        for (int j = 0; j < n; j++)
        {
            float sum = 0;
            for (int i = 0; i < k; i++) sum = MathF.FusedMultiplyAdd(w.Span[3 + (i * (n + 1)) + j], x.Span[i], sum);
            Assert.Equal(sum, y.Span[j]);
        }
    }

    /// <summary>A matrix large enough to be split, with one row, few rows and so many that it is packed.</summary>
    [Theory]
    [InlineData(WeightFormat.Float32)]
    [InlineData(WeightFormat.Bfloat16)]
    public void Any_number_of_threads_gives_the_same_bits(WeightFormat format)
    {
        ModelConfig config = TestModel.Tiny with { HiddenSize = 300, IntermediateSize = 701, FirstKDenseReplace = 3, VocabSize = 301 };
        using var model = new TestModel(config);
        using var weights = new ModelWeights(model.Layout, format);
        foreach (ShardInfo shard in model.Layout.Shards) weights.Write(shard, model.Parameters.Slice(shard.Offset, shard.Length));
        ParameterInfo gate = model.Layout["model.layers.0.mlp.gate_proj.weight"];
        var matrix = new MatrixRef(gate.Offset, 701, 300);
        using NativeBuffer x = Draw(1, 9 * 300);
        foreach (int rows in (int[])[1, 5, 9])
        {
            float[][] results = [.. Enumerable.Range(1, 3).Select(threads =>
            {
                using var team = new ThreadTeam(threads);
                using var y = new NativeBuffer(rows * 701);
                new DecodingProducts(weights, team).Multiply(matrix, At(x), At(y), rows, add: false);
                return y.Span.ToArray();
            })];
            Assert.Equal(results[0], results[1]);
            Assert.Equal(results[0], results[2]);
            Assert.DoesNotContain(0f, results[0]);
        }
    }

    private static NativeBuffer Draw(ulong key, int length)
    {
        var values = new NativeBuffer(length);
        NormalDistribution.Fill(key, 1, values.Span);
        return values;
    }

    private static float* At(NativeBuffer buffer) => (float*)buffer.Address;
}

public class ThreadTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_piece_is_done_once_in_every_job(int size)
    {
        using var team = new ThreadTeam(size);
        int[] done = new int[1000];
        for (int job = 0; job < 3000; job++)
        {
            team.Split(done.Length, 1, (first, end) =>
            {
                for (int i = first; i < end; i++) done[i]++;
            });
            if (job == 1500) Thread.Sleep(100); // long enough for the others to go to sleep
        }
        Assert.All(done, count => Assert.Equal(3000, count));
    }

    [Fact]
    public void No_piece_is_smaller_than_it_is_worth()
    {
        using var team = new ThreadTeam(4);
        var ranges = new System.Collections.Concurrent.ConcurrentBag<(int, int)>();
        team.Split(10, 5, (first, end) => ranges.Add((first, end)));
        Assert.Equal([(0, 5), (5, 10)], ranges.Order());
        ranges.Clear();
        team.Split(3, 5, (first, end) => ranges.Add((first, end)));
        Assert.Equal([(0, 3)], ranges);
        ranges.Clear();
        team.Split(0, 5, (first, end) => ranges.Add((first, end)));
        Assert.All(ranges, range => Assert.Equal((0, 0), range));
    }

    [Fact]
    public void A_members_failure_is_the_callers_and_the_team_goes_on()
    {
        using var team = new ThreadTeam(3);
        foreach (int failing in (int[])[0, 1, 2])
        {
            Assert.Throws<InvalidOperationException>(() => team.Split(3, 1, (first, _) =>
            {
                if (first == failing) throw new InvalidOperationException();
            }));
            int sum = 0;
            team.Split(3, 1, (first, _) => Interlocked.Add(ref sum, first));
            Assert.Equal(3, sum);
        }
    }

    [Fact]
    public void A_member_that_holds_no_piece_is_not_waited_for()
    {
        using var team = new ThreadTeam(2);
        using var released = new ManualResetEventSlim();
        int held = 0;
        Thread caller = Thread.CurrentThread;
        // The other member holds its first piece until the caller has done all the others.
        int done = 0;
        team.Split(8, 1, (_, _) =>
        {
            if (Thread.CurrentThread == caller || Interlocked.Exchange(ref held, 1) == 1)
            {
                SpinWait.SpinUntil(() => Volatile.Read(ref held) == 1, TimeSpan.FromSeconds(30));
                if (Interlocked.Increment(ref done) == 7) released.Set();
            }
            else Assert.True(released.Wait(TimeSpan.FromSeconds(30)));
        });
        Assert.Equal(7, done);
    }

    [Fact]
    public void A_team_that_is_disposed_twice_or_asleep_ends()
    {
        var team = new ThreadTeam(3);
        Thread.Sleep(50);
        team.Dispose();
        team.Dispose();
    }
}
