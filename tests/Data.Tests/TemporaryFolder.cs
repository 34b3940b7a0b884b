using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

/// <summary>A folder of its own for one test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("elastictrain-data-").FullName;

    internal string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    /// <summary>A finished shard set of the given tokens.</summary>
    internal TokenShardSet Shards(string name, int[] tokens, byte[]? counts = null, int vocabSize = 260, long maxFileBytes = 64L << 20)
    {
        using (var writer = new TokenShardWriter(this[name], vocabSize, maxFileBytes))
        {
            writer.Append(tokens, counts);
            writer.Finish();
        }
        return TokenShardSet.Open(this[name]);
    }

    /// <summary>Repeatable tokens below <paramref name="vocabSize"/>.</summary>
    internal static int[] Tokens(int count, int vocabSize = 260)
    {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++) tokens[i] = (int)(CounterRandom.Bits(7, (ulong)i) % (ulong)vocabSize);
        return tokens;
    }
}
