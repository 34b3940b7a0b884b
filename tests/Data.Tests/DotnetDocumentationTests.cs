namespace ElasticTrain.Data.Tests;

/// <summary>The corpus that a newcomer trains on: the reference documentation of the SDK that runs these tests.</summary>
public sealed class DotnetDocumentationTests
{
    [Fact]
    public void The_running_sdk_gives_a_corpus_that_a_trigram_cannot_compress_well()
    {
        using var folder = new TemporaryFolder();
        using var corpus = Corpus.PrepareOrOpen(folder["docs"], new CorpusOptions());
        Assert.InRange(corpus.Train.TextBytes, 10_000_000, 1_000_000_000);
        Assert.InRange((double)corpus.Validation.TextBytes / corpus.Train.TextBytes, 0.005, 0.06);
        Assert.Contains("Microsoft.NETCore.App.Ref", corpus.Description);

        var trigram = ByteTrigram.Train(corpus.Train);
        Assert.InRange(trigram.BitsPerByte(corpus.Validation), 2.2, 2.9);
        // The counts saw the training text, so it must look easier, but not by much at 20 MB.
        Assert.InRange(trigram.BitsPerByte(corpus.Train, 1 << 20), 2.2, 2.8);
    }
}
