using System.Diagnostics;
using System.Globalization;
using System.Net;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Kernels;

/// <summary>The data plane over loopback: payload bytes per second, both ends in this process, checksums on both sides.</summary>
internal sealed class Loopback(int length) : IDataPlaneHandler, IDisposable
{
    private readonly NativeBuffer _parameters = new(length);

    public static async Task RunAsync(int length, int frames, int rounds)
    {
        foreach (int? buffer in new int?[] { null, 4 << 20 })
        {
            foreach (int connections in new[] { 1, 2 })
            {
                using var handler = new Loopback(length);
                var options = new DataPlaneOptions { SocketBufferBytes = buffer };
                var run = new RunId(Guid.NewGuid());
                await using var server = new DataPlaneServer(new IPEndPoint(IPAddress.Loopback, 0), run, handler, options);
                var clients = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => DataPlaneClient.ConnectAsync(server.Endpoint, run, TimeSpan.FromSeconds(10), options)));
                string name = $"{connections} connection(s), frames of {length * 4 / 1e6:0.#} MB, socket buffers {(buffer is { } bytes ? $"{bytes >> 20} MiB" : "of the system")}";
                await MeasureAsync($"contributions, {name}", clients, length, frames, rounds, (client, values) =>
                    client.ContributeAsync(default, new ShardId(0), new ReplicaId(1), new RankRange(0, 1), values, 0, length));
                await MeasureAsync($"pulls, {name}", clients, length, frames, rounds, (client, values) =>
                    client.PullAsync(default, new ShardId(0), new ReplicaId(1), values, 0, length, default));
                foreach (var client in clients) await client.DisposeAsync();
            }
        }
    }

    public void OnContribution(in FrameHeader header, ReadOnlySpan<float> payload)
    {
    }

    public ValueTask<PullResult> OnPullAsync(FrameHeader header, CancellationToken ct) => ValueTask.FromResult(new PullResult(_parameters, 0, length, () => { }));

    public void Dispose() => _parameters.Dispose();

    private static async Task MeasureAsync(string name, DataPlaneClient[] clients, int length, int frames, int rounds, Func<DataPlaneClient, NativeBuffer, Task> request)
    {
        NativeBuffer[] buffers = [.. clients.Select(_ => new NativeBuffer(length))];
        var rates = new List<double>();
        for (int round = 0; round <= rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            await Task.WhenAll(clients.Select((client, i) => Task.Run(async () =>
            {
                for (int frame = 0; frame < frames; frame++) await request(client, buffers[i]);
            })));
            if (round > 0) rates.Add((double)frames * clients.Length * length * 4 / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }
        rates.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-90} median {rates[rates.Count / 2]:0.00} GB/s, best {rates[^1]:0.00}"));
        foreach (var buffer in buffers) buffer.Dispose();
    }
}
