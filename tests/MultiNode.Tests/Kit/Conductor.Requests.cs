using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>What nodes ask the conductor for.</summary>
internal sealed partial class Conductor
{
    private static readonly TimeSpan ControlPatience = TimeSpan.FromSeconds(10);

    private readonly Dictionary<int, (NodeLife Asker, int Id, NodeLife At)> _throttles = [];
    private int _lastThrottle;

    private async Task OnMessageAsync(NodeLife node, SpecMessage message)
    {
        switch (message)
        {
            case Ready ready:
                node.Address = ready.Address;
                TellAddresses();
                break;
            case EnterBarrier enter:
                IReadOnlySet<Role>? among = enter.Among?.Select(name => new Role(name)).ToHashSet();
                if (_barriers.Enter(node, enter.Name, among, enter.Id, _clock.Elapsed) is { } problem) Fail(problem);
                OpenBarriers();
                break;
            case ControlNode control:
                node.Connection!.Send(new Reply(control.Id, await ControlAsync(control)));
                OpenBarriers();
                break;
            case Throttle throttle:
                ForwardThrottle(node, throttle);
                break;
            case Reply reply when _throttles.Remove(reply.Id, out var asked):
                asked.Asker.Connection!.Send(new Reply(asked.Id, reply.Error));
                break;
            case SpecResult result:
                node.Result = result;
                if (result.Error is { } error) Fail($"{node} failed: {error}\n{result.Stack}");
                OpenBarriers();
                break;
            default:
                Fail($"{node} sent {message}, which nobody asked for");
                break;
        }
    }

    /// <summary>The spec's code starts on all nodes at once, when all are there; a later life starts when it is there.</summary>
    private void TellAddresses()
    {
        if (!_config.Roles.All(r => _nodes.TryGetValue(r, out NodeLife? n) && (n.Address is not null || n.Number > 1))) return;
        _begun ??= _clock.Elapsed;
        var addresses = new Addresses(_nodes.Values.Where(n => n.Address is not null).ToDictionary(n => n.Role.Name, n => n.Address!));
        foreach (NodeLife node in _nodes.Values.Where(n => n.Address is not null && n is { HasEnded: false, Connection: not null })) node.Connection!.Send(addresses);
    }

    private async Task<string?> ControlAsync(ControlNode control)
    {
        var role = new Role(control.Role);
        if (!_nodes.TryGetValue(role, out NodeLife? node)) return $"there is no {role}";
        if (control.What == NodeControl.Start)
        {
            if (role == Role.Lighthouse) return "a lighthouse is not started again";
            if (!node.HasEnded) return $"{node} still runs";
            await StartAsync(role);
            return null;
        }
        if (node.HasEnded) return $"{node} has ended";
        switch (control.What)
        {
            case NodeControl.Kill:
                node.MayEnd = true;
                node.Process.Kill();
                await node.Process.WaitForExitAsync(ControlPatience);
                node.HasEnded = true;
                return null;
            case NodeControl.Stop:
                node.IsStopped = true;
                node.Process.Send(Signal.Stop);
                await Wait.UntilAsync(() => node.Process.HasExited || Processes.State(node.Process.Pid) == 'T', $"{node} is stopped", ControlPatience);
                return null;
            case NodeControl.Continue:
                node.Process.Send(Signal.Continue);
                node.IsStopped = false;
                return null;
            case NodeControl.LinkDown or NodeControl.LinkUp:
                return _network.SetLink(role, up: control.What == NodeControl.LinkUp);
            default:
                return $"{control.What} is not known";
        }
    }

    private void ForwardThrottle(NodeLife asker, Throttle throttle)
    {
        string? error = !_nodes.TryGetValue(new Role(throttle.At), out NodeLife? at) || at.Connection is null ? $"{throttle.At} has no transport that can be throttled"
            : at.HasEnded || at.IsStopped ? $"{at} is {at.Where}"
            : !_nodes.TryGetValue(new Role(throttle.Other), out NodeLife? other) || other.Address is null ? $"{throttle.Other} has no address"
            : null;
        int id = ++_lastThrottle;
        if (error is null && at!.Connection!.Send(throttle with { Id = id })) _throttles[id] = (asker, throttle.Id, at);
        else asker.Connection!.Send(new Reply(throttle.Id, error ?? $"{at} is gone"));
    }
}
