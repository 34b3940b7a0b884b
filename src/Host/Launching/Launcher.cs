using System.Globalization;
using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Launching;

/// <summary>
/// <c>train --nodes N</c>: starts a Lighthouse and N node processes on loopback, starts again what dies, and ends with the run's exit code. It is no
/// member of the cluster and hosts no actor: to kill it costs the run nothing but the nodes' restart.
/// </summary>
/// <param name="options">What to start.</param>
/// <param name="log">Takes one line a message for the user.</param>
public sealed class Launcher(LaunchOptions options, Action<string> log)
{
    private const int Finished = 0, Failed = 1, Refused = 2, LighthousePortTaken = 3, Drained = 4, Interrupted = 130;
    private const string Seed = "lighthouse";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5), StopAgain = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SeedPatience = TimeSpan.FromSeconds(30);

    private readonly NodeCommandLine commands = new(options);
    private readonly Dictionary<string, ChildProcess> children = [];
    private readonly Dictionary<string, CrashLoop> ends = [];
    private int port;

    /// <summary>Runs until the run has ended.</summary>
    /// <param name="ct">Interrupts it: nodes are asked to save and stop.</param>
    /// <returns>0 finished, 1 failed, 2 the nodes refused to run (bad plan, foreign journal), 130 interrupted.</returns>
    /// <exception cref="ElasticTrainException">The folder is in use, or something cannot be started.</exception>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        using RunLock held = RunLock.Acquire(options.RunDirectory);
        try
        {
            await WaitForFormerNodesAsync(ct);
            await StartLighthouseAsync(ct);
            foreach (string name in commands.NodeNames) StartNode(name);
            return await SuperviseAsync(ct);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            await StopAsync(options.PreemptionGrace);
            return Interrupted;
        }
        finally
        {
            await StopAsync(TimeSpan.Zero);
            foreach (ChildProcess child in children.Values) child.Dispose();
        }
    }

    /// <summary>Nodes of a launcher that was killed end by themselves within 5 s; two generations must not meet in one folder.</summary>
    private async Task WaitForFormerNodesAsync(CancellationToken ct)
    {
        var said = new HashSet<string>();
        while (true)
        {
            IReadOnlyList<(string Name, ProcessIdentity Process)> live = PidFile.Live(options.RunDirectory);
            if (live.Count == 0) return;
            string names = string.Join(", ", live.Select(n => $"{n.Name} (process {n.Process.Pid})"));
            if (said.Add(names)) log($"waiting for processes of an earlier start to end: {names}");
            await Task.Delay(Poll, ct);
        }
    }

    /// <summary>
    /// The Lighthouse's own bind decides who has the port: if another launcher was faster, the next free one is tried.
    /// </summary>
    private async Task StartLighthouseAsync(CancellationToken ct)
    {
        for (int from = options.ClusterPort; ; from = port + 1)
        {
            port = PortFinder.FirstFree(from);
            ChildProcess seed = StartSeed();
            if (await IsUpAsync(seed, ct)) break;
            if (seed.ExitCode != LighthousePortTaken)
                throw new ElasticTrainException($"the lighthouse {seed.Ending}{Environment.NewLine}{seed.LastWords(options.RunDirectory)}");
        }
        if (port != options.ClusterPort) log($"port {options.ClusterPort} is taken; the lighthouse listens on port {port}");
        AtomicFile.Write(Path.Combine(options.RunDirectory, "ports.json"), JsonSerializer.Serialize(new { lighthouse = port }) + "\n");
    }

    private async Task<bool> IsUpAsync(ChildProcess seed, CancellationToken ct)
    {
        while (!seed.LastWords(options.RunDirectory).Contains("lighthouse up at", StringComparison.Ordinal))
        {
            if (seed.HasExited) return false;
            if (seed.Age > SeedPatience) throw new ElasticTrainException($"the lighthouse was not up after {SeedPatience.TotalSeconds:0} s");
            await Task.Delay(Poll, ct);
        }
        return true;
    }

    private async Task<int> SuperviseAsync(CancellationToken ct)
    {
        var restarts = new Dictionary<string, TimeSpan>();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            foreach (ChildProcess child in children.Values.Where(c => c.HasExited && !restarts.ContainsKey(c.Name)).ToArray())
            {
                if (child.Name != Seed && child.ExitCode is Finished or Failed or Refused) return await EndWithAsync(child);
                log($"{child.Name} (process {child.Pid}) {child.Ending}");
                if (child.Name != Seed && child.ExitCode == Drained)
                {
                    log($"{child.Name} (process {child.Pid}) was drained; it is not started again");
                    restarts[child.Name] = TimeSpan.MaxValue;
                    continue;
                }
                if (ends[child.Name].Note(child.ExitCode, child.Age))
                {
                    log($"{child.Name} ended again and again right after its start; giving up{Environment.NewLine}{child.LastWords(options.RunDirectory)}");
                    await StopAsync(options.PreemptionGrace);
                    return Failed;
                }
                restarts[child.Name] = options.RestartAfter is { } wait ? clock.Elapsed + wait : TimeSpan.MaxValue;
            }
            if (commands.NodeNames.All(name => restarts.TryGetValue(name, out TimeSpan due) && due == TimeSpan.MaxValue))
            {
                log("no node is left, and none is started again (--no-restart); the run goes on from here when train runs again");
                return Failed;
            }
            foreach (string name in restarts.Where(r => r.Value <= clock.Elapsed).Select(r => r.Key).ToArray())
            {
                restarts.Remove(name);
                if (name == Seed) StartSeed();
                else StartNode(name);
                log($"{name} started again (process {children[name].Pid})");
            }
            await Task.Delay(Poll, ct);
        }
    }

    /// <summary>One node's word that the run has ended is the run's; the others have it from the same journal.</summary>
    private async Task<int> EndWithAsync(ChildProcess child)
    {
        int code = child.ExitCode;
        if (code != Finished) log($"{child.Name} {(code == Refused ? "refused to run" : "failed")}:{Environment.NewLine}{child.LastWords(options.RunDirectory)}");
        if (code != Refused) await WaitForAsync(children.Values.Where(c => c.Name != Seed), options.FinishGrace);
        await StopAsync(options.PreemptionGrace);
        return code;
    }

    private ChildProcess StartSeed() => Start(Seed, options.Lighthouse ?? Executables.Lighthouse(), commands.Lighthouse(port));

    private void StartNode(string name) => Start(name, options.Program, commands.Node(name, port));

    private ChildProcess Start(string name, Executable program, IReadOnlyList<string> arguments)
    {
        if (children.Remove(name, out ChildProcess? former)) former.Dispose();
        ends.TryAdd(name, new CrashLoop());
        return children[name] = ChildProcess.Start(options.RunDirectory, name, program, arguments, commands.Variables);
    }

    /// <summary>Asks everything to end, nodes first, and kills what is left after <paramref name="grace"/>.</summary>
    private async Task StopAsync(TimeSpan grace)
    {
        ChildProcess[] nodes = [.. children.Values.Where(c => c.Name != Seed && !c.HasExited)];
        if (grace > TimeSpan.Zero) await AskToStopAsync(nodes, grace);
        foreach (ChildProcess node in nodes.Where(n => !n.HasExited))
        {
            if (grace > TimeSpan.Zero) log(string.Create(CultureInfo.InvariantCulture, $"{node.Name} did not stop within {grace.TotalSeconds:0} s and is killed"));
            node.Kill();
        }
        // The Lighthouse holds nothing, and nobody is left whom its leaving would concern.
        if (children.TryGetValue(Seed, out ChildProcess? seed) && !seed.HasExited) seed.Kill();
        await WaitForAsync(children.Values, TimeSpan.FromSeconds(5));
    }

    /// <summary>
    /// The run as a whole is asked first: a node that is terminated by itself only leaves it. Whoever lives is asked again: a question may end with the
    /// coordinator that had it, and a node that the coordinator could not tell of the end goes on by itself.
    /// </summary>
    private async Task AskToStopAsync(ChildProcess[] nodes, TimeSpan grace)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        ControlRequest stop = ControlRequest.New("stop");
        for (TimeSpan left = grace; left > TimeSpan.Zero && nodes.Any(n => !n.HasExited); left = grace - clock.Elapsed)
        {
            ControlReply? reply = NodeFile.ReadLive(options.RunDirectory).Count == 0 ? null
                : await ControlClient.SendAsync(options.RunDirectory, stop, left < StopPatience ? left : StopPatience, CancellationToken.None);
            bool isAsked = reply is { Ok: true };
            if (!isAsked)
                foreach (ChildProcess node in nodes.Where(n => !n.HasExited)) node.Terminate();
            left = grace - clock.Elapsed;
            if (left > TimeSpan.Zero) await WaitForAsync(nodes, isAsked && StopAgain < left ? StopAgain : left);
        }
    }

    private static async Task WaitForAsync(IEnumerable<ChildProcess> processes, TimeSpan most)
    {
        using var timeout = new CancellationTokenSource(most);
        try
        {
            await Task.WhenAll(processes.Select(p => p.WaitAsync(timeout.Token)));
        }
        catch (OperationCanceledException)
        {
            // The caller looks at what is left.
        }
    }
}
