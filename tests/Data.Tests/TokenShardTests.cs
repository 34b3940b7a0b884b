using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class TokenShardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(260, 64 << 20)]
    [InlineData(260, 10)]
    [InlineData(70_000, 64 << 20)]
    [InlineData(70_000, 12)]
    public void What_was_written_is_read_back_across_file_borders(int vocabSize, int maxFileBytes)
    {
        int[] tokens = TemporaryFolder.Tokens(101, vocabSize);
        byte[] counts = [.. tokens.Select(token => (byte)(token % 3 == 0 ? 0 : 1))];
        using var set = _folder.Shards("set", tokens, counts, vocabSize, maxFileBytes);

        Assert.Equal(101, set.TokenCount);
        Assert.True(set.HasMask);
        int[] read = new int[101];
        byte[] mask = new byte[101];
        for (int start = 0; start <= 101; start++)
        {
            for (int length = 0; length <= 101 - start; length += 7)
            {
                set.Read(start, read.AsSpan(0, length));
                set.ReadMask(start, mask.AsSpan(0, length));
                Assert.Equal(tokens.AsSpan(start, length), read.AsSpan(0, length));
                Assert.Equal(counts.AsSpan(start, length), mask.AsSpan(0, length));
                Assert.Equal(counts.AsSpan(start, length).ToArray().Sum(bit => bit), set.CountUnmasked(start, length));
            }
        }
        set.Verify();
    }

    [Fact]
    public void Ushort_and_int_appends_in_any_pieces_make_the_same_content()
    {
        int[] tokens = TemporaryFolder.Tokens(50_000);
        ushort[] narrow = [.. tokens.Select(token => (ushort)token)];
        foreach (int vocabSize in new[] { 260, 70_000 })
        {
            using var whole = _folder.Shards($"whole{vocabSize}", tokens, null, vocabSize);
            using var writer = new TokenShardWriter(_folder[$"pieces{vocabSize}"], vocabSize, maxFileBytes: 1000);
            for (int i = 0; i < narrow.Length; i += 9_999) writer.Append(narrow.AsSpan(i, Math.Min(9_999, narrow.Length - i)));
            Assert.Equal(whole.ContentHash, writer.Finish());
            using var pieces = TokenShardSet.Open(_folder[$"pieces{vocabSize}"]);
            int[] read = new int[tokens.Length];
            pieces.Read(0, read);
            Assert.Equal(tokens, read);
        }
    }

    [Fact]
    public void The_content_hash_covers_tokens_and_mask()
    {
        using var plain = _folder.Shards("a", [1, 2, 3]);
        using var counted = _folder.Shards("b", [1, 2, 3], [1, 1, 1]);
        using var masked = _folder.Shards("c", [1, 2, 3], [1, 0, 1]);
        using var other = _folder.Shards("d", [1, 2, 4]);
        Assert.Equal(plain.ContentHash, counted.ContentHash);
        Assert.False(counted.HasMask);
        Assert.Equal(3, new[] { plain.ContentHash, masked.ContentHash, other.ContentHash }.Distinct().Count());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(70_001)]
    public void A_mask_that_begins_late_covers_the_tokens_before_it(int before)
    {
        int[] tokens = TemporaryFolder.Tokens(before + 3);
        byte[] counts = [.. Enumerable.Repeat((byte)1, before), 0, 1, 0];
        using var whole = _folder.Shards("whole", tokens, counts);
        using (var writer = new TokenShardWriter(_folder["late"], 260))
        {
            writer.Append(tokens.AsSpan(0, before));
            writer.Append(tokens.AsSpan(before), counts.AsSpan(before));
            Assert.Equal(whole.ContentHash, writer.Finish());
        }
        using var late = TokenShardSet.Open(_folder["late"]);
        byte[] mask = new byte[before + 3];
        late.ReadMask(0, mask);
        Assert.Equal(counts, mask);
        Assert.Equal(before + 1, late.CountUnmasked(0, before + 3));
        late.Verify();
    }

    [Theory]
    [InlineData("tokens-00001.bin")]
    [InlineData("mask.bin")]
    public void A_flipped_bit_is_found_and_the_file_named(string file)
    {
        _folder.Shards("set", TemporaryFolder.Tokens(100), [.. Enumerable.Range(0, 100).Select(i => (byte)(i & 1))], maxFileBytes: 50).Dispose();
        string path = Path.Combine(_folder["set"], file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[5] ^= 4;
        File.WriteAllBytes(path, bytes);

        using var set = TokenShardSet.Open(_folder["set"]);
        Assert.Contains(file, Assert.Throws<CorruptionException>(set.Verify).Message);
    }

    [Fact]
    public void A_truncated_or_missing_file_is_refused_at_once()
    {
        _folder.Shards("set", TemporaryFolder.Tokens(100)).Dispose();
        string path = Path.Combine(_folder["set"], "tokens-00000.bin");
        using (var stream = File.OpenWrite(path)) stream.SetLength(199);
        Assert.Contains("199 bytes", Assert.Throws<CorruptionException>(() => TokenShardSet.Open(_folder["set"])).Message);
        File.Delete(path);
        Assert.Throws<CorruptionException>(() => TokenShardSet.Open(_folder["set"]));
    }

    [Fact]
    public void A_changed_index_is_found()
    {
        _folder.Shards("set", TemporaryFolder.Tokens(100)).Dispose();
        string path = Path.Combine(_folder["set"], "index.json");
        string index = File.ReadAllText(path);
        File.WriteAllText(path, index.Replace("\"tokenCount\": 100", "\"tokenCount\": 99"));
        Assert.Throws<CorruptionException>(() => TokenShardSet.Open(_folder["set"]));
        File.WriteAllText(path, index[..^20]);
        Assert.Throws<CorruptionException>(() => TokenShardSet.Open(_folder["set"]));
        File.WriteAllText(path, index.Replace("tokens-00000.bin", "../tokens-00000.bin"));
        Assert.Throws<CorruptionException>(() => TokenShardSet.Open(_folder["set"]));
    }

    [Fact]
    public void A_writer_that_died_leaves_nothing_that_opens_and_can_be_repeated()
    {
        using (var writer = new TokenShardWriter(_folder["set"], 260)) writer.Append(TemporaryFolder.Tokens(1000));
        Assert.Throws<BadInputException>(() => TokenShardSet.Open(_folder["set"]));
        using var set = _folder.Shards("set", [1, 2, 3]);
        Assert.Equal(3, set.TokenCount);
        set.Verify();
        Assert.Throws<BadInputException>(() => new TokenShardWriter(_folder["set"], 260));
    }

    [Fact]
    public void Tokens_outside_the_vocabulary_and_ranges_outside_the_set_are_refused()
    {
        using (var writer = new TokenShardWriter(_folder["bad"], 260))
        {
            Assert.Throws<ArgumentException>(() => writer.Append([260]));
            Assert.Throws<ArgumentException>(() => writer.Append([-1]));
            Assert.Throws<ArgumentException>(() => writer.Append([1, 2], [1]));
        }
        using var set = _folder.Shards("set", [1, 2, 3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Read(1, new int[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Read(-1, new int[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Read(long.MaxValue, new int[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.ReadMask(3, new byte[1]));
    }

    [Fact]
    public void An_empty_set_is_a_set()
    {
        using var set = _folder.Shards("set", []);
        Assert.Equal(0, set.TokenCount);
        set.Read(0, []);
        set.Verify();
    }

    [Fact]
    public void Threads_may_read_at_once_and_dispose_ends_in_an_exception_not_a_crash()
    {
        int[] tokens = TemporaryFolder.Tokens(100_000);
        var set = _folder.Shards("set", tokens, maxFileBytes: 4096);
        using var reading = new CountdownEvent(4);
        var threads = Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
        {
            int[] read = new int[1000];
            for (ulong i = 0; ; i++)
            {
                int start = (int)(CounterRandom.Bits((ulong)thread, i) % 99_000);
                set.Read(start, read);
                Assert.Equal(tokens.AsSpan(start, 1000), read.AsSpan());
                if (i == 200) reading.Signal();
            }
        })).ToArray();
        Assert.True(reading.Wait(TimeSpan.FromSeconds(20)));
        set.Dispose();
        foreach (var thread in threads) Assert.IsType<ObjectDisposedException>(Assert.Throws<AggregateException>(() => thread.Wait(20_000)).InnerException);
    }
}
