using System.Globalization;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// A bit that is flipped on purpose in the moments of one node's replica of a shard, once, when that has applied a step or is past it. What is asked for is STEP:SHARD:NODE, or stands
/// in a file, where it may change while the process runs.
/// </summary>
public sealed class MomentFlip
{
    private readonly Lock _gate = new();
    private readonly string _node;
    private readonly string? _file;
    private readonly (long Step, int Shard, string Node) _asked;
    private (long Step, int Shard, string Node)? _done;

    private MomentFlip(string node, string? file, (long Step, int Shard, string Node) asked) => (_node, _file, _asked) = (node, file, asked);

    /// <summary>Reads what the environment says; null if it is neither.</summary>
    /// <param name="text">STEP:SHARD:NODE, three parts, or @ and a file's path.</param>
    /// <param name="node">This process's node.</param>
    public static MomentFlip? Parse(string text, string node) =>
        text is ['@', _, ..] ? new MomentFlip(node, text[1..], default) : Read(text) is { } asked ? new MomentFlip(node, null, asked) : null;

    /// <summary>Flips the bit if this replica is the one and nothing was flipped yet.</summary>
    public void MaybeFlip(Step applied, ShardState state)
    {
        lock (_gate)
        {
            if ((_file is null ? _asked : ReadFile()) is not { } asked || asked == _done) return;
            if (asked.Node != _node || asked.Shard != state.Info.Id.Value || applied.Value < asked.Step || state.Moment1.Length == 0) return;
            // Where nothing was trained yet, the moment is 0 and has no bits that matter.
            var values = state.Moment1.Span;
            int index = values.IndexOfAnyExcept(0f);
            if (index < 0) return;
            values[index] = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(values[index]) ^ (1u << 22));
            _done = asked;
        }
    }

    private (long Step, int Shard, string Node)? ReadFile()
    {
        try
        {
            return File.Exists(_file) ? Read(File.ReadAllText(_file)) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static (long Step, int Shard, string Node)? Read(string text) =>
        text.Trim().Split(':') is [var step, var shard, { Length: > 0 } node] && long.TryParse(step, NumberStyles.None, CultureInfo.InvariantCulture, out long at)
        && int.TryParse(shard, NumberStyles.None, CultureInfo.InvariantCulture, out int of) ? (at, of, node) : null;
}
