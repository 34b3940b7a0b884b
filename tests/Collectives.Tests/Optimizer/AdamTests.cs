using System.Runtime.Intrinsics;

namespace ElasticTrain.Collectives.Tests.Optimizer;

public sealed class AdamTests
{
    private delegate ulong Kernel(State state, float[] g, in AdamCoefficients c, bool decay);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_vector_width_gives_the_bits_and_the_checksum_of_one_lane(bool decay)
    {
        Kernel[] kernels = [Run<Lanes128, Vector128<float>, Vector128<uint>, Vector128<ulong>>, Run<Lanes256, Vector256<float>, Vector256<uint>, Vector256<ulong>>, Run<Lanes512, Vector512<float>, Vector512<uint>, Vector512<ulong>>, Step];
        foreach (int length in new[] { 0, 1, 3, 4, 15, 16, 17, 63, 1000, 4099 })
        {
            var random = new Random(length);
            var start = State.Random(random, length);
            float[][] gradients = [.. Enumerable.Range(0, 4).Select(_ => Values(random, length))];
            var expected = start.Copy();
            ulong[] checksums = [.. gradients.Select((g, i) => Run<Lanes1, float, uint, ulong>(expected, g, Coefficients(i + 1), decay))];
            foreach (var kernel in kernels)
            {
                var state = start.Copy();
                Assert.Equal(checksums, gradients.Select((g, i) => kernel(state, g, Coefficients(i + 1), decay)));
                Assert.Equal(expected.Bits(), state.Bits());
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_operation_is_rounded_to_fp32_on_its_own(bool decay)
    {
        var random = new Random(7);
        var state = State.Random(random, 2000);
        var expected = state.Copy();
        for (int update = 1; update <= 5; update++)
        {
            float[] g = Values(random, 2000);
            var c = Coefficients(update);
            Adam.Step(state.P, state.M, state.V, g, c, decay);
            for (int i = 0; i < g.Length; i++)
            {
                // Each cast forbids what could be fused or kept in a wider format.
                float gradient = (float)(g[i] * c.GradientScale);
                float m = expected.M[i] = (float)((float)(c.Beta1 * expected.M[i]) + (float)((float)(1 - c.Beta1) * gradient));
                float v = expected.V[i] = (float)((float)(c.Beta2 * expected.V[i]) + (float)((float)(1 - c.Beta2) * (float)(gradient * gradient)));
                float root = (float)(MathF.Sqrt((float)(v / c.BiasCorrection2)) + c.Epsilon);
                float change = (float)((float)(c.LearningRate * (float)(m / c.BiasCorrection1)) / root);
                float kept = decay ? (float)(expected.P[i] * (float)(1 - (float)(c.LearningRate * c.WeightDecay))) : expected.P[i];
                expected.P[i] = (float)(kept - change);
            }
        }
        Assert.Equal(expected.Bits(), state.Bits());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Twenty_updates_follow_the_published_formula_in_double(bool decay)
    {
        const int length = 1000;
        const double learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.1;
        var random = new Random(3);
        var state = new State(Values(random, length), new float[length], new float[length]);
        double[] p = [.. state.P.Select(value => (double)value)];
        var (m, v) = (new double[length], new double[length]);
        for (int update = 1; update <= 20; update++)
        {
            float[] g = Values(random, length);
            double norm = Math.Sqrt(g.Sum(value => (double)value * value)), clip = Math.Min(1, 1 / (norm + 1e-6));
            Adam.Step(state.P, state.M, state.V, g, AdamCoefficients.ForUpdate(update, (float)learningRate, (float)beta1, (float)beta2, (float)epsilon, (float)weightDecay, (float)clip), decay);
            for (int i = 0; i < length; i++)
            {
                double gradient = g[i] * clip;
                if (decay) p[i] *= 1 - learningRate * weightDecay;
                m[i] = beta1 * m[i] + (1 - beta1) * gradient;
                v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
                p[i] -= learningRate * (m[i] / (1 - Math.Pow(beta1, update))) / (Math.Sqrt(v[i] / (1 - Math.Pow(beta2, update))) + epsilon);
            }
        }
        Assert.True(p.Zip(state.P, (expected, found) => Math.Abs(expected - found) / Math.Max(1, Math.Abs(expected))).Max() < 2e-6);
        Assert.True(m.Zip(state.M, (expected, found) => Math.Abs(expected - found)).Max() < 1e-7);
    }

    [Fact]
    public void The_first_update_moves_every_parameter_by_the_learning_rate()
    {
        var state = new State([1f, 1f], [0f, 0f], [0f, 0f]);
        Adam.Step(state.P, state.M, state.V, [0.5f, -3f], AdamCoefficients.ForUpdate(1, 0.01f, 0.9f, 0.999f, 1e-8f, 0, 1), decay: true);
        Assert.Equal(0.99f, state.P[0], 6);
        Assert.Equal(1.01f, state.P[1], 6);
    }

    [Fact]
    public void Without_a_gradient_a_parameter_still_decays_and_a_norm_does_not()
    {
        var c = AdamCoefficients.ForUpdate(1, 0.1f, 0.9f, 0.999f, 1e-8f, 0.5f, 1);
        var (weight, norm) = (new State([2f], [0f], [0f]), new State([2f], [0f], [0f]));
        Adam.Step(weight.P, weight.M, weight.V, [0f], c, decay: true);
        Adam.Step(norm.P, norm.M, norm.V, [0f], c, decay: false);
        Assert.Equal(1.9f, weight.P[0], 6);
        Assert.Equal(2f, norm.P[0]);
    }

    [Fact]
    public void Bias_corrections_are_those_of_the_definition_far_out_too()
    {
        foreach (long update in new long[] { 1, 2, 3, 10, 1000, 123_456, long.MaxValue })
        {
            var c = AdamCoefficients.ForUpdate(update, 1, 0.9f, 0.95f, 0, 0, 1);
            Assert.Equal((float)(1 - Math.Pow(0.9f, update)), c.BiasCorrection1, 1e-7f);
            Assert.Equal((float)(1 - Math.Pow(0.95f, update)), c.BiasCorrection2, 1e-7f);
        }
    }

    [Fact]
    public void Pieces_updated_on_different_threads_give_the_checksum_of_the_whole()
    {
        var random = new Random(5);
        var whole = State.Random(random, 10_001);
        var pieces = whole.Copy();
        float[] g = Values(random, 10_001);
        ulong expected = Adam.Step(whole.P, whole.M, whole.V, g, Coefficients(1), decay: true), sum = 0;
        int[] cuts = [0, 17, 5000, 5001, 10_001];
        for (int i = 0; i + 1 < cuts.Length; i++)
        {
            var range = cuts[i]..cuts[i + 1];
            sum = unchecked(sum + Adam.Step(pieces.P.AsSpan(range), pieces.M.AsSpan(range), pieces.V.AsSpan(range), g.AsSpan(range), Coefficients(1), decay: true, cuts[i]));
        }
        Assert.Equal(expected, sum);
        Assert.Equal(whole.Bits(), pieces.Bits());
        Assert.Equal(expected, StateChecksum.Of(whole.P, whole.M, whole.V));
    }

    [Fact]
    public void Any_flipped_bit_and_any_two_swapped_values_change_the_checksum()
    {
        var random = new Random(6);
        var state = State.Random(random, 40);
        Array.Clear(state.M, 0, 10);
        Array.Clear(state.V, 0, 10);
        ulong expected = StateChecksum.Of(state.P, state.M, state.V);
        foreach (float[] values in new[] { state.P, state.M, state.V })
        {
            for (int i = 0; i < values.Length; i++)
            {
                float before = values[i];
                for (int bit = 0; bit < 32; bit++)
                {
                    values[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(before) ^ (1 << bit));
                    Assert.NotEqual(expected, StateChecksum.Of(state.P, state.M, state.V));
                }
                values[i] = before;
                int other = (i + 7) % values.Length;
                if (values[other] == before) continue;
                (values[i], values[other]) = (values[other], values[i]);
                Assert.NotEqual(expected, StateChecksum.Of(state.P, state.M, state.V));
                (values[i], values[other]) = (values[other], values[i]);
            }
        }
        Assert.Equal(expected, StateChecksum.Of(state.P, state.M, state.V));
    }

    [Fact]
    public void Buffers_of_different_lengths_are_refused() =>
        Assert.Throws<ArgumentException>(() => Adam.Step(new float[3], new float[3], new float[2], new float[3], Coefficients(1), decay: true));

    private static ulong Step(State state, float[] g, in AdamCoefficients c, bool decay) => Adam.Step(state.P, state.M, state.V, g, c, decay);

    private static ulong Run<TLanes, TFloat, TKey, TSum>(State state, float[] g, in AdamCoefficients c, bool decay)
        where TLanes : struct, ILanes<TFloat, TKey, TSum>
        where TSum : struct
    {
        int done = 0;
        ulong sum = Adam.Run<TLanes, TFloat, TKey, TSum>(state.P, state.M, state.V, g, c, decay, 0, ref done);
        return unchecked(sum + Adam.Run<Lanes1, float, uint, ulong>(state.P, state.M, state.V, g, c, decay, 0, ref done));
    }

    private static AdamCoefficients Coefficients(int update) => AdamCoefficients.ForUpdate(update, 3e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.37f);

    private static float[] Values(Random random, int length)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++) values[i] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-4, 2)));
        return values;
    }

    private sealed record State(float[] P, float[] M, float[] V)
    {
        public static State Random(Random random, int length) => new(Values(random, length), Values(random, length), [.. Values(random, length).Select(MathF.Abs)]);

        public State Copy() => new([.. P], [.. M], [.. V]);

        public int[] Bits() => [.. P.Concat(M).Concat(V).Select(BitConverter.SingleToInt32Bits)];
    }
}
