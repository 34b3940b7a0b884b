using ElasticTrain.Core;
using ElasticTrain.Data.Deduplication;

namespace ElasticTrain.Data.Tests.Deduplication;

public sealed class DuplicationMeterTests
{
    [Fact]
    public void The_share_of_windows_that_came_before_is_measured()
    {
        var meter = new DuplicationMeter(window: 10);
        Assert.Equal(0, meter.Measure());
        // 91 windows, then 91 others, then the first 91 again.
        meter.Add(WordText.Bytes(WordText.Words(1, 100)));
        meter.Add(WordText.Bytes(WordText.Words(2, 100)));
        Assert.Equal(0, meter.Measure());
        meter.Add(WordText.Bytes(WordText.Words(1, 100)));
        Assert.Equal(1 / 3.0, meter.Measure(), 12);
        // Ten words of a longer text are one window more.
        meter.Add(WordText.Bytes(["x", .. WordText.Words(1, 100)[20..30], "y"]));
        Assert.Equal(92 / 276.0, meter.Measure(), 12);
    }

    [Fact]
    public void Short_documents_are_one_window_each()
    {
        var meter = new DuplicationMeter();
        foreach (string text in (string[])["a b", "A, b!", "a b c", "...", "b a"]) meter.Add(System.Text.Encoding.UTF8.GetBytes(text));
        Assert.Equal(1 / 4.0, meter.Measure());
    }

    [Fact]
    public void A_sample_estimates_the_share_and_is_the_same_in_any_order()
    {
        byte[][] documents = [.. Enumerable.Range(0, 400).Select(i => WordText.Bytes(WordText.Words((ulong)(i % 300), 500)))];
        var all = new DuplicationMeter();
        foreach (byte[] document in documents) all.Add(document);
        Assert.Equal(0.25, all.Measure(), 12);
        double? first = null;
        foreach (var order in new[] { documents, [.. documents.Reverse()], [.. documents.OrderBy(document => Digest256.Of(document).ToString(), StringComparer.Ordinal)] })
        {
            var sampled = new DuplicationMeter(capacity: 20_000);
            Parallel.ForEach(order, document => sampled.Add(document));
            first ??= sampled.Measure();
            Assert.Equal(first, sampled.Measure());
        }
        Assert.InRange(first!.Value, 0.23, 0.27);
        Assert.NotEqual(0.25, first.Value);
    }

    [Fact]
    public void A_window_without_words_is_refused() => Assert.Throws<BadInputException>(() => new DuplicationMeter(0));
}
