using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;
using ElasticTrain.Host.Tests.Harness;
using CommandAnswer = ElasticTrain.Actors.Runs.CommandAnswer;

namespace ElasticTrain.Host.Tests.Control;

public class ControlChannelTests : IDisposable
{
    private static readonly IPEndPoint Loopback = new(IPAddress.Loopback, 0);
    private readonly RunFolder run = new();

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task A_command_reaches_the_node_with_its_arguments_and_its_answer_comes_back()
    {
        ControlRequest? seen = null;
        await using var server = new ControlServer(Loopback, (request, _) =>
        {
            seen = request;
            return Task.FromResult(ControlReply.Success(new { Step = 12 }));
        });
        NodeFile.For("node-1", server).Write(run);

        ControlReply? reply = await SendAsync(new ControlRequest("freeze", new Dictionary<string, string> { ["layers"] = "0-1" }, "client"));

        Assert.Equal(("freeze", "0-1", "client"), (seen!.Command, seen.Arguments["layers"], seen.ClientId));
        Assert.True(reply!.Ok);
        Assert.Equal(12, reply.Result!.Value.GetProperty("step").GetInt32());
    }

    [Fact]
    public async Task The_answer_to_a_freeze_names_its_effective_step()
    {
        await using var server = new ControlServer(
            Loopback, (_, _) => Task.FromResult(ControlReply.Success(new CommandAnswer(true, "freeze 0-1 from step 12 on", new Step(12)))));
        NodeFile.For("node-1", server).Write(run);

        ControlReply? reply = await SendAsync(ControlRequest.New("freeze"));

        Assert.True(reply!.Ok, reply.Error);
        Assert.Equal(12, reply.Result!.Value.GetProperty("effectiveStep").GetInt64());
    }

    [Fact]
    public async Task A_retry_carries_the_same_client_id()
    {
        var ids = new ConcurrentQueue<string>();
        await using var server = new ControlServer(Loopback, (request, _) =>
        {
            ids.Enqueue(request.ClientId);
            return Task.FromResult(ids.Count < 3 ? ControlReply.NotNow("no coordinator") : ControlReply.Success());
        });
        NodeFile.For("node-1", server).Write(run);

        Assert.True((await SendAsync(ControlRequest.New("pause")))!.Ok);
        Assert.Equal(3, ids.Count);
        Assert.Single(ids.Distinct());
    }

    [Fact]
    public async Task The_reason_of_the_last_not_now_is_told_when_the_time_is_up()
    {
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.NotNow("no coordinator yet")));
        NodeFile.For("node-1", server).Write(run);
        ControlReply? reply = await SendAsync(ControlRequest.New("pause"), TimeSpan.FromSeconds(1));
        Assert.Equal((false, "no coordinator yet"), (reply!.Ok, reply.Error));
    }

    [Fact]
    public async Task A_node_that_has_gone_is_passed_over()
    {
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        await using (var gone = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Failure("not me"))))
            NodeFile.For("node-1", gone).Write(run);
        NodeFile.For("node-2", server).Write(run);
        Assert.True((await SendAsync(ControlRequest.New("pause")))!.Ok);
    }

    [Fact]
    public async Task A_node_that_accepts_and_never_answers_holds_nobody_up()
    {
        using var silent = new TcpListener(Loopback);
        silent.Start();
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        (NodeFile.For("node-1", server) with { Control = silent.LocalEndpoint.ToString()! }).Write(run);
        NodeFile.For("node-2", server).Write(run);
        var clock = Stopwatch.StartNew();
        Assert.True((await SendAsync(ControlRequest.New("pause")))!.Ok);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"It took {clock.Elapsed}.");
    }

    [Fact]
    public async Task A_reason_is_told_also_while_another_node_is_silent()
    {
        using var silent = new TcpListener(Loopback);
        silent.Start();
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.NotNow("the journal is locked")));
        (NodeFile.For("node-1", server) with { Control = silent.LocalEndpoint.ToString()! }).Write(run);
        NodeFile.For("node-2", server).Write(run);
        ControlReply? reply = await SendAsync(ControlRequest.New("status"), TimeSpan.FromSeconds(3));
        Assert.Equal((false, "the journal is locked"), (reply!.Ok, reply.Error));
    }

    [Fact]
    public async Task Without_a_live_node_the_answer_is_null_at_once()
    {
        Assert.Null(await SendAsync(ControlRequest.New("status")));
        ProcessIdentity self = ProcessIdentity.Current;
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        // The number of a living process, but not of the one that wrote the file.
        (NodeFile.For("node-1", server) with { Pid = self.Pid, StartTime = self.Start + 1 }).Write(run);
        Assert.Null(await SendAsync(ControlRequest.New("status")));
    }

    [Fact]
    public async Task While_a_launcher_lives_a_command_waits_for_the_node_to_come_back()
    {
        using RunLock held = RunLock.Acquire(run);
        Task<ControlReply?> sending = SendAsync(ControlRequest.New("pause"));
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        NodeFile.For("node-1", server).Write(run);
        Assert.True((await sending)!.Ok);
    }

    [Fact]
    public async Task A_question_that_awaits_no_node_is_answered_at_once_while_only_a_launcher_lives()
    {
        using RunLock held = RunLock.Acquire(run);
        Assert.Null(await ControlClient.SendAsync(run, ControlRequest.New("status"), TimeSpan.FromMinutes(5), CancellationToken.None, awaitNodes: false)
            .WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task A_wrong_token_is_refused_and_the_handler_never_hears_of_it()
    {
        bool called = false;
        await using var server = new ControlServer(Loopback, (_, _) =>
        {
            called = true;
            return Task.FromResult(ControlReply.Success());
        });
        (NodeFile.For("node-1", server) with { Token = NodeFile.NewToken() }).Write(run);
        ControlReply? reply = await SendAsync(ControlRequest.New("pause"));
        Assert.Equal((false, "wrong token", false), (reply!.Ok, reply.Error, called));
    }

    [Fact]
    public void Only_the_user_can_read_the_token()
    {
        if (OperatingSystem.IsWindows()) return;
        new NodeFile("node-1", 1, 1, "127.0.0.1:1", "secret").Write(run);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(run.File("nodes", "node-1.json")));
    }

    [Theory]
    [InlineData("garbage\n")]
    [InlineData("\n")]
    [InlineData("[]\n")]
    [InlineData("null\n")]
    [InlineData("{\"token\": 5}\n")]
    [InlineData("{\"token\":\"x\",\"command\":\"pause\",\"clientId\":\"c\"}\n")]
    public async Task Garbage_is_answered_with_an_error_and_the_next_client_is_served(string line)
    {
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        NodeFile.For("node-1", server).Write(run);
        string answer = await TalkAsync(server, Encoding.UTF8.GetBytes(line));
        Assert.False(JsonDocument.Parse(answer).RootElement.GetProperty("ok").GetBoolean());
        Assert.True((await SendAsync(ControlRequest.New("pause")))!.Ok);
    }

    [Fact]
    public async Task A_line_beyond_the_limit_is_refused()
    {
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()));
        string answer = await TalkAsync(server, Encoding.UTF8.GetBytes(new string('x', ControlServer.MaxLine)));
        Assert.Contains("longer than", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silent_clients_are_hung_up_on_and_do_not_lock_out_others()
    {
        await using var server = new ControlServer(Loopback, (_, _) => Task.FromResult(ControlReply.Success()), TimeSpan.FromMilliseconds(500));
        NodeFile.For("node-1", server).Write(run);
        var silent = new List<TcpClient>();
        for (int i = 0; i < 2 * ControlServer.MaxConnections; i++)
        {
            var client = new TcpClient();
            await client.ConnectAsync(server.Endpoint);
            silent.Add(client);
        }
        Assert.True((await SendAsync(ControlRequest.New("pause")))!.Ok);
        foreach (TcpClient client in silent) client.Dispose();
    }

    [Fact]
    public async Task A_handler_that_fails_answers_with_the_reason_and_the_server_lives_on()
    {
        await using var server = new ControlServer(Loopback, (request, _) => request.Command == "bad"
            ? throw new BadInputException("--at", "3", "a step not yet granted") : throw new InvalidOperationException("a bug"));
        NodeFile.For("node-1", server).Write(run);
        Assert.Equal("--at: found 3, expected a step not yet granted", (await SendAsync(ControlRequest.New("bad")))!.Error);
        Assert.Contains("a bug", (await SendAsync(ControlRequest.New("worse")))!.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_channel_is_never_opened_to_other_machines()
    {
        Assert.Throws<ArgumentException>(() => new ControlServer(new IPEndPoint(IPAddress.Any, 0), (_, _) => Task.FromResult(ControlReply.Success())));
    }

    private Task<ControlReply?> SendAsync(ControlRequest request, TimeSpan? timeout = null) =>
        ControlClient.SendAsync(run, request, timeout ?? TimeSpan.FromSeconds(20), CancellationToken.None);

    /// <summary>Sends raw bytes; gives what came back until the server hung up.</summary>
    private static async Task<string> TalkAsync(ControlServer server, byte[] bytes)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Endpoint);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(bytes);
        using var reader = new StreamReader(stream);
        using var timeout = new CancellationTokenSource(Wait.Default);
        return await reader.ReadToEndAsync(timeout.Token);
    }
}
