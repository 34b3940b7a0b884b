using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data.Quality;
using Xunit.Abstractions;

namespace ElasticTrain.Data.Tests.Quality;

public sealed class TopicModelTests(ITestOutputHelper output)
{
    [Fact]
    public void Documents_hold_together_better_than_concatenations_of_unlike_ones()
    {
        TopicModel model = Build(Enumerable.Range(0, 300));
        output.WriteLine($"{model.Auc}");
        Assert.InRange(model.Auc!.Area, 0.9, 1);
        // Documents that the model has never seen.
        byte[][] fresh = [.. Enumerable.Range(1000, 60).Select(i => Document(i, 400))];
        TopicAuc auc = model.Measure(fresh.Select(text => (ReadOnlyMemory<byte>)text))!;
        output.WriteLine($"{auc}");
        Assert.InRange(auc.Area, 0.9, 1);
        var (whole, mixed) = (new TopicTally(), new TopicTally());
        for (int i = 0; i < fresh.Length; i++)
        {
            whole.Add(model.Consistency(fresh[i]));
            mixed.Add(model.Consistency([.. fresh[i], (byte)' ', .. fresh[(i + 7) % fresh.Length]]));
        }
        output.WriteLine($"documents {whole.Mean:F3}, concatenations {mixed.Mean:F3}");
        Assert.True(whole.Mean > 0.8 && mixed.Mean < 0.6);
        Assert.Equal(60, whole.Documents);
    }

    [Fact]
    public void The_same_documents_in_any_order_and_on_any_threads_give_the_same_values()
    {
        TopicModel[] models = [Build(Enumerable.Range(0, 120)), Build(Enumerable.Range(0, 120).Reverse()), Build(Enumerable.Range(0, 120).OrderBy(i => i % 7), threads: 4)];
        foreach (int i in (int[])[3, 500, 501])
            Assert.Single(models.Select(model => model.Consistency(Document(i, 300))).Distinct());
        Assert.Single(models.Select(model => model.Auc).Distinct());
    }

    [Fact]
    public void What_cannot_be_judged_is_not()
    {
        TopicModel model = Build(Enumerable.Range(0, 120));
        Assert.Null(model.Consistency("too short"u8));
        Assert.NotNull(model.Consistency(Document(1, 100)));
        TopicModel few = Build(Enumerable.Range(0, 10));
        Assert.False(few.IsUsable);
        Assert.Null(few.Auc);
        Assert.Null(few.Consistency(Document(1, 300)));
        Assert.Null(few.Measure([Document(1, 300)]));
        var tally = new TopicTally();
        tally.Add(null);
        Assert.Null(tally.Mean);
    }

    [Fact]
    public void The_area_under_the_curve_counts_pairs()
    {
        Assert.Equal(1, RocArea.Of([3, 4], [1, 2]));
        Assert.Equal(0, RocArea.Of([1], [2]));
        Assert.Equal(0.5, RocArea.Of([1, 1], [1]));
        Assert.Equal(0.875, RocArea.Of([2, 1], [1, 0]));
        Assert.Throws<ArgumentException>(() => RocArea.Of([], [1]));
    }

    /// <summary>Half common words, half words of the document's topic, of which there are forty, and of its own.</summary>
    private static byte[] Document(int seed, int words)
    {
        int topic = seed % 40;
        return Encoding.UTF8.GetBytes(string.Join(' ', Enumerable.Range(0, words).Select(i =>
        {
            ulong random = CounterRandom.Bits((ulong)seed, (ulong)i);
            return (random % 4) switch
            {
                0 => $"topic{topic}word{Skewed(random / 4, 120)}",
                1 => $"own{seed % 200}word{Skewed(random / 4, 60)}",
                _ => $"common{Skewed(random / 4, 2000)}",
            };
        })));
    }

    private static ulong Skewed(ulong random, ulong count) => random % count * (random / count % count) / count;

    private static TopicModel Build(IEnumerable<int> documents, int threads = 1)
    {
        var builder = new TopicModelBuilder();
        Parallel.ForEach(documents, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => builder.Add($"document {i}", Document(i, 150 + i * 13 % 500)));
        return builder.Build();
    }
}
