using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public class MaskTests
{
    [Fact]
    public void With_all_rows_masked_loss_and_gradient_are_exactly_zero()
    {
        using var model = new TestModel(TestModel.Tiny);
        using var gradient = new NativeBuffer(model.Layout.TotalLength);
        gradient.Span.Fill(1);
        RankResult result = model.Replica.ComputeRank([model.Batch(1, mask: new byte[64])], 64, 0, gradient);
        Assert.Equal((0.0, 0L), (result.LossSum, result.LossTokens));
        Assert.True(gradient.Span.IndexOfAnyExcept(0f) < 0);
    }

    [Fact]
    public void A_masked_prediction_contributes_nothing_whatever_its_target()
    {
        using var model = new TestModel(TestModel.Tiny);
        byte[] mask = [.. Enumerable.Repeat((byte)1, 64)];
        mask[31] = 0; // the last prediction of row 0: its target is no input
        MicroBatch batch = model.Batch(1, mask: mask), other = batch with { Tokens = [.. batch.Tokens] };
        other.Tokens[32] = (other.Tokens[32] + 1) % 260;
        var (result, digest) = model.Compute(batch);
        Assert.Equal(63, result.LossTokens);
        Assert.Equal(digest, model.Compute(other).Digest);
        Assert.Equal(result.LossSum, model.Replica.SumLoss(batch));
        Assert.NotEqual(digest, model.Compute(batch with { LossMask = null }).Digest);
    }

    [Theory]
    [InlineData(260, "token id 260")]
    [InlineData(-1, "token id -1")]
    public void A_token_outside_the_vocabulary_is_refused(int token, string found)
    {
        using var model = new TestModel(TestModel.Tiny);
        MicroBatch batch = model.Batch(1);
        batch.Tokens[7] = token;
        Assert.Equal(found, Assert.Throws<BadInputException>(() => model.Replica.SumLoss(batch)).Found);
    }
}
