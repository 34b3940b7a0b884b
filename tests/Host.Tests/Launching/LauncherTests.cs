using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;
using ElasticTrain.Host.Launching;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Host.Tests.Launching;

/// <summary>The launcher with the real Lighthouse and shell scripts in place of the nodes: what it starts, starts again, stops and returns.</summary>
public sealed class LauncherTests : IDisposable
{
    /// <summary>Ends with the code in the file end-NAME or end; records its arguments and that it was asked to stop.</summary>
    private const string FakeNode = """
        shift 3; name=$1; dir=$(dirname "$0")
        trap 'touch "$dir/stopped-$name"; [ -f "$dir/stubborn" ] || exit 130' TERM
        echo "$ACTORSYSTEM $*" > "$dir/args-$name"
        while :; do
          for f in "$dir/end-$name" "$dir/end"; do [ -f "$f" ] && exit "$(cat "$f")"; done
          sleep 0.05
        done
        """;

    private readonly RunFolder run = new();
    private readonly List<string> log = [];
    private readonly CancellationTokenSource interrupt = new();

    public void Dispose()
    {
        interrupt.Dispose();
        run.Dispose();
    }

    [Fact]
    public async Task Every_process_has_a_pid_file_and_gets_what_it_needs()
    {
        Task<int> launch = Launch(nodes: 2);
        await run.WaitForPidAsync("lighthouse");
        await run.WaitForPidAsync("node-1");
        await run.WaitForPidAsync("node-2");
        string args = await Wait.ForAsync(() => ReadOrNull("args-node-2"), "node-2 has started", state: Log);
        int port = JsonDocument.Parse(File.ReadAllText(run.File("ports.json"))).RootElement.GetProperty("lighthouse").GetInt32();
        Assert.StartsWith("ElasticTrain-", args, StringComparison.Ordinal);
        Assert.EndsWith(
            $" node-2 --seeds 127.0.0.1:{port} --roles coordinator,worker --run-dir {run.Path} --parent {ProcessIdentity.Current} --steps 5\n", args, StringComparison.Ordinal);
        End("end", 0);
        Assert.Equal(0, await launch);
        Assert.Empty(PidFile.Live(run));
    }

    [Theory]
    [InlineData("node-1")]
    [InlineData("lighthouse")]
    public async Task A_killed_process_is_started_again(string victim)
    {
        Task<int> launch = Launch(nodes: 2, restart: TimeSpan.FromMilliseconds(300));
        int former = await run.WaitForPidAsync(victim);
        await run.WaitForPidAsync("node-2");
        Signal.Send(former, Signal.Kill);
        await run.WaitForPidAsync(victim, former);
        await Wait.UntilAsync(() => Log().Contains($"{victim} started again", StringComparison.Ordinal), "the launcher says so", state: Log);
        Assert.Contains($"{victim} (process {former}) was killed by signal 9", Log(), StringComparison.Ordinal);
        End("end", 0);
        Assert.Equal(0, await launch);
    }

    [Fact]
    public async Task A_plan_that_a_node_refuses_ends_the_launch_with_its_code_and_words()
    {
        Task<int> launch = Launch(nodes: 2);
        await Wait.ForAsync(() => ReadOrNull("args-node-2"), "node-2 has started", state: Log);
        End("end-node-1", 2);
        Assert.Equal(2, await launch);
        Assert.Contains("node-1 refused to run", Log(), StringComparison.Ordinal);
        Assert.True(File.Exists(run.File("stopped-node-2")));
    }

    [Fact]
    public async Task A_run_that_fails_ends_the_launch_with_the_words_of_the_node_that_said_so()
    {
        Task<int> launch = Launch(nodes: 2, finish: TimeSpan.FromMilliseconds(100));
        await Wait.ForAsync(() => ReadOrNull("args-node-2"), "node-2 has started", state: Log);
        End("end-node-1", 1);
        Assert.Equal(1, await launch);
        Assert.Contains("node-1 failed", Log(), StringComparison.Ordinal);
        Assert.True(File.Exists(run.File("stopped-node-2")));
    }

    [Fact]
    public async Task Without_restart_the_launch_fails_when_the_last_node_is_dead()
    {
        Task<int> launch = Launch(nodes: 2, noRestart: true);
        int one = await run.WaitForPidAsync("node-1"), two = await run.WaitForPidAsync("node-2");
        Signal.Send(one, Signal.Kill);
        await Wait.UntilAsync(() => Log().Contains("node-1", StringComparison.Ordinal), "node-1's end is told", state: Log);
        Assert.False(launch.IsCompleted);
        Signal.Send(two, Signal.Kill);
        Assert.Equal(1, await launch);
    }

    [Fact]
    public async Task A_node_that_can_never_run_is_given_up_on()
    {
        End("end-node-1", 7);
        Assert.Equal(1, await Launch(nodes: 2, restart: TimeSpan.FromMilliseconds(20)));
        Assert.Contains("giving up", Log(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Interrupted_it_asks_the_nodes_to_stop_and_returns_130()
    {
        Task<int> launch = Launch(nodes: 2);
        await Wait.ForAsync(() => ReadOrNull("args-node-1"), "node-1 has started", state: Log);
        await Wait.ForAsync(() => ReadOrNull("args-node-2"), "node-2 has started", state: Log);
        await interrupt.CancelAsync();
        Assert.Equal(130, await launch);
        Assert.True(File.Exists(run.File("stopped-node-1")) && File.Exists(run.File("stopped-node-2")));
        Assert.Empty(PidFile.Live(run));
    }

    [Fact]
    public async Task A_node_that_does_not_stop_is_killed_after_the_grace()
    {
        File.WriteAllText(run.File("stubborn"), "");
        Task<int> launch = Launch(nodes: 1, grace: TimeSpan.FromMilliseconds(300));
        await Wait.ForAsync(() => ReadOrNull("args-node-1"), "node-1 has started", state: Log);
        await interrupt.CancelAsync();
        Assert.Equal(130, await launch);
        Assert.Contains("node-1 did not stop", Log(), StringComparison.Ordinal);
        Assert.Empty(PidFile.Live(run));
    }

    [Fact]
    public async Task Nodes_of_a_former_launcher_are_waited_for()
    {
        using ProcessUnderTest former = ProcessUnderTest.Start("sleep", ["1000"]);
        PidFile.Write(run, "node-7", ProcessIdentity.Find(former.Pid)!.Value);
        Task<int> launch = Launch(nodes: 1);
        await Wait.UntilAsync(() => Log().Contains($"node-7 (process {former.Pid})", StringComparison.Ordinal), "the launcher says for whom it waits", state: Log);
        Assert.Null(run.Pid("node-1"));
        former.Kill();
        await run.WaitForPidAsync("node-1");
        End("end", 0);
        Assert.Equal(0, await launch);
    }

    [Fact]
    public async Task A_taken_port_is_passed_over_and_two_launchers_do_not_meet()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var other = new LauncherTests();
        Task<int> one = Launch(nodes: 1, port: port), two = other.Launch(nodes: 1, port: port);
        await run.WaitForPidAsync("node-1");
        await other.run.WaitForPidAsync("node-1");
        int[] ports = [port, Port(run), Port(other.run)];
        Assert.Equal(3, ports.Distinct().Count());
        Assert.Contains($"port {port} is taken", Log(), StringComparison.Ordinal);
        End("end", 0);
        other.End("end", 0);
        Assert.Equal((0, 0), (await one, await two));

        static int Port(RunFolder run) => JsonDocument.Parse(File.ReadAllText(run.File("ports.json"))).RootElement.GetProperty("lighthouse").GetInt32();
    }

    [Fact]
    public async Task A_folder_in_use_is_refused()
    {
        using RunLock held = RunLock.Acquire(run);
        var e = await Assert.ThrowsAsync<ElasticTrainException>(() => Launch(nodes: 1));
        Assert.Contains($"in use by process {Environment.ProcessId}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_lock_of_a_killed_process_is_free()
    {
        // flock(1) takes the same lock that .NET takes for FileShare.None.
        using ProcessUnderTest holder = ProcessUnderTest.Start("flock", [run.File("run.lock"), "sleep", "1000"]);
        Assert.True(SpinWait.SpinUntil(() => !TryLock(), Wait.Default));
        foreach (int child in Children(holder.Pid)) Signal.Send(child, Signal.Kill);
        holder.Kill();
        Assert.True(SpinWait.SpinUntil(TryLock, Wait.Default));

        bool TryLock()
        {
            try
            {
                RunLock.Acquire(run).Dispose();
                return true;
            }
            catch (ElasticTrainException)
            {
                return false;
            }
        }

        static IEnumerable<int> Children(int pid) => File.ReadAllText($"/proc/{pid}/task/{pid}/children")
            .Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => int.Parse(c, CultureInfo.InvariantCulture));
    }

    [Fact]
    public void The_lighthouse_comes_with_the_host()
    {
        string host = Path.GetDirectoryName(Harness.Executable.ElasticTrain)!;
        Assert.Equal(Path.Combine(host, "lighthouse", "lighthouse"), Executables.Lighthouse(host).File);
        var e = Assert.Throws<ElasticTrainException>(() => Executables.Lighthouse(run));
        Assert.Contains(run, e.Message, StringComparison.Ordinal);
    }

    private Task<int> Launch(int nodes, TimeSpan? restart = null, bool noRestart = false, TimeSpan? grace = null, TimeSpan? finish = null, int port = 24053)
    {
        string script = run.File("elastictrain-fake-node");
        File.WriteAllText(script, FakeNode);
        var options = new LaunchOptions(run, nodes, "plan.conf", ["--steps", "5"], noRestart ? null : restart ?? TimeSpan.FromSeconds(5), port)
        {
            PreemptionGrace = grace ?? TimeSpan.FromSeconds(20),
            FinishGrace = finish ?? TimeSpan.FromSeconds(20),
            Program = new Host.Launching.Executable("/bin/sh", [script]),
            Lighthouse = new Host.Launching.Executable(Harness.Executable.Lighthouse, []),
        };
        return new Launcher(options, line =>
        {
            lock (log) log.Add(line);
        }).RunAsync(interrupt.Token);
    }

    private string Log()
    {
        lock (log) return string.Join('\n', log) + "\n" + run.Describe();
    }

    /// <summary>Tells fake nodes to end with a code.</summary>
    private void End(string file, int code)
    {
        AtomicFile.Write(run.File(file), code.ToString(CultureInfo.InvariantCulture));
    }

    private string? ReadOrNull(string file) => File.Exists(run.File(file)) && File.ReadAllText(run.File(file)) is { Length: > 0 } text ? text : null;
}
