using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Decoding;

/// <summary>Decoding and the bound take turns, for each format and number of threads.</summary>
internal static class Contest
{
    private const ulong Seed = 1;
    private const int Passes = 3;

    internal static void Run(string name, ModelConfig config, WeightFormat[] formats, int[] threads, int prompt, int tokens, int rounds)
    {
        var layout = ParameterLayout.Create(config);
        var size = new ModelSize(layout);
        Print($"{name}: {size.Total / 1e6:0.0} M parameters, {size.Active / 1e6:0.0} M active; {prompt} tokens read, then {tokens} timed; one sequence");
        var weights = formats.ToDictionary(format => format, format => new ModelWeights(layout, format));
        float[] values = [];
        foreach (ShardInfo shard in layout.Shards)
        {
            if (values.Length != shard.Length) values = new float[shard.Length];
            layout.Initialize(shard.Id, Seed, values);
            foreach (ModelWeights each in weights.Values) each.Write(shard, values);
        }
        (WeightFormat Format, int Threads)[] cases = [.. formats.SelectMany(format => threads.Select(count => (format, count)))];
        var buffers = formats.ToDictionary(format => format, format => new NativeBuffer(ActiveBytes(layout, format) / sizeof(float), isStreamed: true));
        foreach (NativeBuffer buffer in buffers.Values) buffer.Slice(0, (int)buffer.Length).Fill(1);
        var speeds = cases.ToDictionary(c => c, _ => new List<double>());
        var bounds = cases.ToDictionary(c => c, _ => new List<double>());
        var texts = new Dictionary<WeightFormat, int[]>();
        for (int round = -1; round < rounds; round++) // the first one warms up
        {
            foreach (var each in cases)
            {
                double before = ReadSum.BytesPerSecond(buffers[each.Format], each.Threads, Passes);
                var (speed, text) = TokensPerSecond(weights[each.Format], each.Threads, prompt, tokens);
                double after = ReadSum.BytesPerSecond(buffers[each.Format], each.Threads, Passes);
                if (!text.SequenceEqual(texts.TryGetValue(each.Format, out int[]? first) ? first : texts[each.Format] = text))
                    throw new ElasticTrainException($"{each.Format} with {each.Threads} threads wrote another text than before");
                if (round < 0) continue;
                speeds[each].Add(speed);
                bounds[each].Add((before + after) / 2);
            }
        }
        foreach (var each in cases)
        {
            double bytes = ActiveBytes(layout, each.Format);
            Print($"  {each.Format}, {each.Threads} thread(s), {bytes / 1e6:0.0} MB per token: {new Numbers(speeds[each]).ToString("0.0")} tokens/s");
            Print($"    {new Numbers([.. speeds[each].Select(s => s * bytes / 1e9)]).ToString("0.0")} GB/s of {new Numbers([.. bounds[each].Select(b => b / 1e9)]).ToString("0.0")} GB/s");
            Print($"    ratio {new Numbers([.. speeds[each].Zip(bounds[each], (speed, bound) => speed * bytes / bound)])}");
        }
        foreach (IDisposable held in weights.Values.Concat<IDisposable>(buffers.Values)) held.Dispose();
    }

    /// <summary>Greedy decoding as the command does it, from the first new token to the last.</summary>
    private static (double Speed, int[] Tokens) TokensPerSecond(ModelWeights weights, int threads, int prompt, int tokens)
    {
        int vocabulary = weights.Layout.Config.VocabSize;
        int[] start = [.. Enumerable.Range(0, prompt).Select(i => (int)(CounterRandom.Bits(Seed, (ulong)i) % (ulong)vocabulary))];
        using var session = new DecodingSession(weights, prompt + tokens + 2, threads);
        List<int> added = [];
        long first = 0;
        foreach (int token in session.Generate(start, new TokenSampler(new SamplingOptions())).Take(tokens + 1))
        {
            if (added.Count == 0) first = Stopwatch.GetTimestamp();
            added.Add(token);
        }
        return (tokens / Stopwatch.GetElapsedTime(first).TotalSeconds, [.. added]);
    }

    /// <summary>Bytes of the weights that one token passes through; of the embedding it takes one row.</summary>
    private static long ActiveBytes(ParameterLayout layout, WeightFormat format)
    {
        string prediction = ModelConfig.LayerPrefix(layout.Config.NumHiddenLayers);
        return layout.Parameters.Where(p => p.Layer >= 0 && p.Expert < layout.Config.NumExpertsPerTok && !p.Name.StartsWith(prediction, StringComparison.Ordinal))
            .Sum(p => p.Length * (format == WeightFormat.Float32 || ModelWeights.StaysFloat32(p) ? sizeof(float) : sizeof(ushort)));
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
