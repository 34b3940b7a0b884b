using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class ByteTrigramTests : IDisposable
{
    private const int End = ByteTokenizer.EndOfDocument;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Probabilities_of_all_continuations_add_up_to_one()
    {
        using var set = _folder.Shards("set", [.. ByteTokenizer.Encode(string.Concat(Enumerable.Range(0, 2000).Select(i => $"the {i * i} of ")))]);
        var model = ByteTrigram.Train(set);
        foreach (var (a, b) in new[] { ('t', 'h'), ('z', 'h'), ('z', 'z'), (' ', '1'), ((char)End, 't'), ('\0', '\0') })
            Assert.Equal(1, Enumerable.Range(0, End + 1).Sum(c => model.Probability(a, b, c)), 12);
        Assert.True(model.Probability('t', 'h', 'e') > 0.95);
        Assert.All(Enumerable.Range(0, End + 1), c => Assert.True(model.Probability('z', 'z', c) > 0));
    }

    [Fact]
    public void Random_bytes_cost_eight_bits_and_a_repeated_cycle_almost_nothing()
    {
        using var noise = _folder.Shards("noise", TemporaryFolder.Tokens(200_000, 256));
        using var fresh = _folder.Shards("fresh", [.. TemporaryFolder.Tokens(220_000, 256).Skip(200_000)]);
        Assert.InRange(ByteTrigram.Train(noise).BitsPerByte(fresh), 7.99, 8.1);
        using var cycle = _folder.Shards("cycle", [.. Enumerable.Range(0, 50_000).Select(i => "abcab"[i % 5])]);
        using var held = _folder.Shards("held", [.. Enumerable.Range(0, 1000).Select(i => "abcab"[i % 5])]);
        Assert.InRange(ByteTrigram.Train(cycle).BitsPerByte(held), 0.3, 0.5);
    }

    [Fact]
    public void A_second_order_source_is_learned_to_its_entropy()
    {
        // The next symbol is the one before last with probability 7/8, else the other: 0.5436 bits.
        int[] tokens = new int[400_000];
        for (int i = 0; i < tokens.Length; i++)
        {
            ulong random = CounterRandom.Bits(3, (ulong)i);
            int before = i < 2 ? 0 : tokens[i - 2] - 'x';
            tokens[i] = 'x' + ((random & 7) == 0 ? 1 - before : before);
        }
        using var train = _folder.Shards("train", tokens[..300_000]);
        using var validation = _folder.Shards("validation", tokens[300_000..]);
        Assert.InRange(ByteTrigram.Train(train).BitsPerByte(validation), 0.535, 0.552);
    }

    [Fact]
    public void Trigram_and_batches_are_measured_on_the_same_tokens()
    {
        int[] tokens = [.. TemporaryFolder.Tokens(1000, 256).Select((token, i) => i % 50 == 49 ? End : token)];
        byte[] counts = [.. tokens.Select((_, i) => (byte)(i % 7 == 0 ? 0 : 1))];
        foreach (byte[]? mask in new[] { null, counts })
        {
            using var set = _folder.Shards($"set{mask?.Length}", tokens, mask);
            var model = ByteTrigram.Train(set);
            foreach (var (length, rows, max) in new[] { (10, 3, 1000L), (64, 4, 1000L), (999, 1, 1000L), (2000, 2, 5000L), (7, 5, 333L) })
            {
                var text = new ValidationText(set, max);
                double loss = 0;
                long targets = 0, bytes = 0;
                int a = End, b = tokens[0];
                foreach (var batch in text.Batches(length, rows))
                {
                    Assert.Equal(batch.Rows * (length + 1), batch.Tokens.Length);
                    for (int row = 0; row < batch.Rows; row++)
                    {
                        for (int t = 0; t < length; t++)
                        {
                            int target = batch.Tokens[row * (length + 1) + t + 1];
                            if (batch.LossMask?[row * length + t] != 0)
                            {
                                loss -= Math.Log(model.Probability(a, b, target));
                                targets++;
                                if (target < 256) bytes++;
                            }
                            (a, b) = (b, target);
                        }
                    }
                }
                Assert.Equal((text.TargetTokens, text.TargetBytes), (targets, bytes));
                Assert.Equal(model.BitsPerByte(set, max), text.BitsPerByte(loss), 12);
                Assert.Equal(model.BitsPerByte(set, max), BitsPerByte.FromMeanLoss(loss / targets, targets, bytes), 12);
                if (mask is null) Assert.Equal(Math.Min(max, 1000) - 1, targets);
            }
        }
    }

    [Fact]
    public void Bits_per_byte_count_the_bits_of_document_ends_but_not_their_bytes()
    {
        using var set = _folder.Shards("set", ['a', 'b', End, 'c']);
        var text = new ValidationText(set);
        Assert.Equal((3, 2), (text.TargetTokens, text.TargetBytes));
        Assert.Equal(1.5, text.BitsPerByte(3 * Math.Log(2)), 12);
    }

    [Fact]
    public void Too_little_text_or_another_vocabulary_is_refused()
    {
        using var tiny = _folder.Shards("tiny", [1]);
        Assert.Throws<BadInputException>(() => new ValidationText(tiny));
        Assert.Throws<BadInputException>(() => ByteTrigram.Train(tiny));
        using var large = _folder.Shards("large", TemporaryFolder.Tokens(100), vocabSize: 5000);
        Assert.Throws<BadInputException>(() => ByteTrigram.Train(large));
        using var reserved = _folder.Shards("reserved", [.. Enumerable.Repeat(258, 100)]);
        Assert.Throws<BadInputException>(() => ByteTrigram.Train(reserved));
    }
}
