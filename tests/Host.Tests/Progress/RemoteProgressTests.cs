using System.Net;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Progress;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Progress;

public class RemoteProgressTests
{
    [Fact]
    public async Task The_launcher_shows_what_the_nodes_know_and_each_note_once()
    {
        using var run = new RunFolder();
        var board = new ProgressBoard();
        int asked = 0;
        await using var server = new ControlServer(new IPEndPoint(IPAddress.Loopback, 0), (request, _) =>
        {
            Interlocked.Increment(ref asked);
            return Task.FromResult(request.Command == ProgressBoard.Command ? board.Answer() : ControlReply.Failure("unknown"));
        });
        NodeFile.For("node-1", server).Write(run);
        board.Note("waiting for workers");
        board.Show(new ProgressSample(600, 600, double.NaN, 5120, 3e-4, 0.912, 3, "running"));
        using var output = new StringWriter();
        using var stop = new CancellationTokenSource();

        Task following = RemoteProgress.FollowAsync(run, new ProgressView(output, false, () => 200, TimeProvider.System), stop.Token);
        await Wait.UntilAsync(() => Volatile.Read(ref asked) >= 3, "the nodes are asked again and again");
        await stop.CancelAsync();
        await following;

        string[] lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("waiting for workers", lines[0]);
        Assert.Equal("step 600/600  loss NaN  ppl NaN  tokens/s 5120  lr 3.00e-04  grad 0.912  workers 3", lines[1]);
        Assert.Equal(2, lines.Length);
    }
}
