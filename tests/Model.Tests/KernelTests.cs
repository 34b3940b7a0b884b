using ElasticTrain.Core;
using ElasticTrain.Model.Kernels;
using ElasticTrain.Model.Torch;
using static TorchSharp.torch;

namespace ElasticTrain.Model.Tests;

public class KernelTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public unsafe void The_direct_product_agrees_with_the_one_through_torch(bool aTransposed, bool bTransposed)
    {
        TorchRuntime.BindThread();
        const int m = 13, n = 21, k = 17, stride = 30;
        using NativeBuffer a = new(stride * 30), b = new(stride * 30), c = new(stride * 30), expected = new(stride * 30);
        NormalDistribution.Fill(1, 1, a.Span);
        NormalDistribution.Fill(2, 1, b.Span);
        NormalDistribution.Fill(3, 1, c.Span);
        c.Span.CopyTo(expected.Span);
        Gemm.Multiply((float*)a.Address, stride, aTransposed, (float*)b.Address, stride, bTransposed, (float*)c.Address, stride, m, n, k, 0.5f, 1);
        Gemm.ThroughTorch((float*)a.Address, stride, aTransposed, (float*)b.Address, stride, bTransposed, (float*)expected.Address, stride, m, n, k, 0.5f, 1);
        Assert.Equal(expected.Span.ToArray(), c.Span.ToArray());
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
        var attention = new Network.CausalAttention(heads, width, value, (float)(1 / Math.Sqrt(width)));
        var pass = new Network.Pass(default, default, rows, length, null!);
        Tensor kept = attention.Forward(pass, Heads(q, width), Heads(k, width), Heads(v, value), Heads(output, value));
        attention.Backward(pass, kept, Heads(q, width), Heads(k, width), Heads(v, value), Heads(d, value), Heads(dq, width), Heads(dk, width), Heads(dv, value));

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
