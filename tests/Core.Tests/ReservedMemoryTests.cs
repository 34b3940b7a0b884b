namespace ElasticTrain.Core.Tests;

public class ReservedMemoryTests
{
    [Fact]
    public void Only_what_was_committed_and_touched_is_in_memory()
    {
        if (!ReservedMemory.IsSupported)
        {
            Assert.Throws<PlatformNotSupportedException>(() => new ReservedMemory(1));
            return;
        }
        int page = ReservedMemory.PageBytes, values = page / sizeof(float);
        using var memory = new ReservedMemory(1L << 36); // 256 GiB of addresses
        Assert.Equal(0, memory.Values.Address % 64);
        Assert.Equal(1L << 36, memory.Values.Length);
        memory.Commit(1000, 64);
        Span<float> committed = memory.Values.Slice(1000L * values, 64 * values);
        Assert.True(committed.IndexOfAnyExcept(0f) < 0);
        committed.Fill(1);
        Assert.Equal(64 * page, Resident(memory));
        memory.Release(1010, 50);
        Assert.Equal(14 * page, Resident(memory));
        memory.Commit(1009, 2);
        Span<float> around = memory.Values.Slice(1009L * values, 2 * values);
        Assert.Equal((1f, 0f), (around[0], around[^1])); // what was there is kept, what was released is gone
    }

    /// <summary>Bytes of the mappings within the reservation that are in memory, as the kernel counts them.</summary>
    private static long Resident(ReservedMemory memory)
    {
        long start = memory.Values.Address, end = start + (memory.Values.Length * sizeof(float)), sum = 0;
        bool isInside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words[0].Contains('-'))
            {
                long address = Convert.ToInt64(words[0].Split('-')[0], 16);
                isInside = address >= start && address < end;
            }
            else if (isInside && words[0] == "Rss:") sum += 1024 * long.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        return sum;
    }
}
