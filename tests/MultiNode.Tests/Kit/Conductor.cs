using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using ElasticTrain.Core;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Membership;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>
/// Plays one spec: starts its processes, lets them through barriers, does to them what they ask for, and ends them all. Everything that it knows
/// is touched by one loop only, to which connections, processes and the clock post what has happened.
/// </summary>
internal sealed partial class Conductor : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(20);

    private readonly Type _spec;
    private readonly MultiNodeConfig _config;
    private readonly IReadOnlyDictionary<string, string> _arguments;
    private readonly ISpecNetwork _network;
    private readonly Socket _listener;
    private readonly string _token = Guid.NewGuid().ToString("N");
    private readonly string _systemName = $"Spec-{Guid.NewGuid().ToString("N")[..8]}";
    private readonly Channel<Func<Task>> _mailbox = Channel.CreateUnbounded<Func<Task>>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _over = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("elastictrain-spec-").FullName;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Dictionary<Role, NodeLife> _nodes = [];
    private readonly List<NodeLife> _lives = [];
    private readonly Barriers _barriers;
    private TimeSpan? _begun;
    private string? _failure;

    private Conductor(Type spec, MultiNodeConfig config, IReadOnlyDictionary<string, string> arguments, ISpecNetwork network)
    {
        _spec = spec;
        _config = config;
        _arguments = arguments;
        _network = network;
        _barriers = new Barriers(config.BarrierTimeout);
        _listener = network.Listen();
    }

    /// <summary>Plays a spec to its end.</summary>
    /// <returns>The processes that it had started.</returns>
    /// <exception cref="MultiNodeFailure">It failed.</exception>
    public static async Task<IReadOnlyList<int>> PlayAsync(Type spec, MultiNodeConfig config, IReadOnlyDictionary<string, string> arguments)
    {
        using ISpecNetwork network = config.InNamespaces
            ? new NetworkNamespaces([.. config.Roles, Role.Lighthouse]) : new Loopback();
        await using var conductor = new Conductor(spec, config, arguments, network);
        await conductor.PlayAsync();
        int[] pids = [.. conductor._lives.Select(l => l.Process.Pid)];
        await conductor.DisposeAsync();
        return conductor._failure is { } reason ? throw new MultiNodeFailure(reason, conductor.Outputs(), pids) : pids;
    }

    /// <summary>Ends every process that still runs, stopped ones too.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_over.IsCancellationRequested) return;
        await _over.CancelAsync();
        foreach (NodeLife life in _lives.Where(l => !l.Process.HasExited)) life.Process.Kill();
        foreach (NodeLife life in _lives)
        {
            await life.Process.WaitForExitAsync(EndPatience);
            life.Connection?.Dispose();
        }
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Where the members of the spec's cluster write whom they put out.</summary>
    private LedgerSettings Ledger => LedgerSettings.OfFile(Path.Combine(_folder, "membership.db"));

    private async Task PlayAsync()
    {
        _ = AcceptAsync();
        _ = TickAsync();
        try
        {
            if (_config.WithLighthouse) await StartLighthouseAsync();
            foreach (Role role in _config.Roles) await StartAsync(role);
            while (_failure is null && !IsDone) await (await _mailbox.Reader.ReadAsync())();
            foreach (NodeLife life in _lives.Where(l => l.Result is not null && !l.HasEnded))
            {
                life.MayEnd = true;
                life.Connection!.Send(new Exit());
            }
            if (_failure is null) await Task.WhenAll(_lives.Where(l => l.Result is not null && !l.IsStopped).Select(l => l.Process.WaitForExitAsync(EndPatience)));
        }
        catch (Exception e) when (e is not MultiNodeFailure)
        {
            Fail($"the conductor failed: {e}");
        }
    }

    /// <summary>Every role's newest life has ended its code, or was ended because somebody asked for it.</summary>
    private bool IsDone => (_config.EndsWith is { } last ? [last] : _config.Roles).All(r => _nodes[r] is { Result: not null } or { MayEnd: true, HasEnded: true });

    private void Fail(string reason) => _failure ??= reason;

    private void Post(Func<Task> what) => _mailbox.Writer.TryWrite(what);

    private void Post(Action what) => Post(() =>
    {
        what();
        return Task.CompletedTask;
    });

    private async Task TickAsync()
    {
        using var timer = new PeriodicTimer(Tick);
        try
        {
            while (await timer.WaitForNextTickAsync(_over.Token)) Post(LookAtClock);
        }
        catch (OperationCanceledException)
        {
            // The spec is over.
        }
    }

    private void LookAtClock()
    {
        OpenBarriers();
        if (_begun is null && _clock.Elapsed >= StartPatience) Fail($"after {StartPatience.TotalSeconds:0} s not all nodes are there: {string.Join(", ", _nodes.Values.Select(n => $"{n} is {n.Where}"))}");
        if (_clock.Elapsed - _begun >= _config.Deadline)
            Fail($"after {_config.Deadline.TotalSeconds:0} s the spec has not ended: {string.Join(", ", _nodes.Values.Where(n => n.IsPlaying).Select(n => $"{n} is {n.Where}"))}");
    }

    private void OpenBarriers()
    {
        // A life that is still starting will come as well.
        NodeLife[] playing = [.. _config.Roles.Where(_nodes.ContainsKey).Select(r => _nodes[r]).Where(n => n.IsPlaying)];
        if (_barriers.Problem(playing, [.. _nodes.Values.Where(n => n.Result is { Error: null })], _clock.Elapsed) is { } problem) Fail(problem);
        else
            foreach ((NodeLife node, int request) in _barriers.Opened(playing)) node.Connection!.Send(new Reply(request, null));
    }

    private async Task StartLighthouseAsync()
    {
        string host = _network.Host(Role.Lighthouse);
        for (int attempt = 1; ; attempt++)
        {
            string[] arguments =
            [
                "--system", _systemName, "--ip", host, "--port", Ports.Free().ToString(CultureInfo.InvariantCulture),
                "--parent", ProcessIdentity.Current.ToString(), "--set", SpecSystem.Throttled,
                .. Ledger.Hocon.Split('\n', StringSplitOptions.RemoveEmptyEntries).SelectMany(line => (string[])["--set", line]),
            ];
            ProcessUnderTest process = await ProcessStarter.StartAsync(_network, Role.Lighthouse, Executable.Lighthouse, arguments);
            var life = new NodeLife(Role.Lighthouse, attempt, process);
            _lives.Add(life);
            try
            {
                string line = await process.WaitForLineAsync("lighthouse up at ");
                life.Address = line[(line.LastIndexOf(' ') + 1)..];
                _nodes[Role.Lighthouse] = life;
                Watch(life);
                return;
            }
            catch (InvalidOperationException) when (attempt < 3 && process.ExitCode == 3)
            {
                // Somebody else took the port in between.
                life.HasEnded = life.MayEnd = true;
            }
        }
    }

    private async Task StartAsync(Role role)
    {
        _nodes.TryGetValue(role, out NodeLife? former);
        int port = former?.Address is { } address ? Akka.Actor.Address.Parse(address).Port!.Value : 0;
        IEnumerable<string> seeds = _config.Roles.Prepend(Role.Lighthouse)
            .Where(r => r != role && _nodes.TryGetValue(r, out NodeLife? other) && other.CanBeJoined && (_config.WithLighthouse || former is not null))
            .Select(r => _nodes[r].Address!);
        int number = (former?.Number ?? 0) + 1;
        var start = new NodeStart(
            _spec.FullName!, role.Name, number, _network.Endpoint, _token, ProcessIdentity.Current.ToString(), _systemName, _network.Host(role), port, [.. seeds], Ledger, _arguments);
        var life = new NodeLife(role, number, await ProcessStarter.StartAsync(_network, role, SpecPlayer.Program, ["node", start.ToJson()]));
        _lives.Add(life);
        _nodes[role] = life;
        Watch(life);
    }

    private void Watch(NodeLife life) => _ = WatchAsync(life);

    private async Task WatchAsync(NodeLife life)
    {
        await life.Process.WaitForExitAsync(Timeout.InfiniteTimeSpan);
        Post(() => OnExitAsync(life));
    }

    private async Task OnExitAsync(NodeLife life)
    {
        life.HasEnded = true;
        if (life.MayEnd || _nodes[life.Role] != life) return;
        int code = life.Process.ExitCode;
        if (_config.RestartedExitCode == code && life.Result is null)
        {
            life.MayEnd = true;
            await StartAsync(life.Role);
        }
        else Fail($"{life} died without having been asked to: {(code > 128 ? $"signal {code - 128}" : $"exit code {code}")}, {life.Where}");
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = new LineConnection(await _listener.AcceptAsync(_over.Token));
                _ = ServeAsync(connection);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The spec is over.
        }
    }

    private async Task ServeAsync(LineConnection connection)
    {
        if (await connection.ReadAsync(_over.Token) is not Hello hello || hello.Token != _token)
        {
            connection.Dispose();
            return;
        }
        Post(() => _lives.Single(l => l.Role.Name == hello.Role && l.Number == hello.Life).Connection = connection);
        while (await connection.ReadAsync(_over.Token) is { } message)
            Post(() => OnMessageAsync(_lives.Single(l => l.Connection == connection), message));
    }

    private string Outputs() => string.Join('\n', _lives.Select(l => $"== {l}, process {l.Process.Pid}{(l.Result?.Error is { } error ? $", failed: {error}" : "")}\n{l.Process.Output}"));
}
