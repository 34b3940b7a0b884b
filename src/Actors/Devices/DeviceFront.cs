using Akka.Actor;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// Takes a device's mail: the device's own thread may be waiting for parameters that never come, and only a later grant tells. What the front hears it passes
/// on, and interrupts what a later grant makes useless.
/// </summary>
public sealed class DeviceFront : ReceiveActor
{
    /// <summary>Starts the device as its child.</summary>
    /// <param name="device">Makes the device's props from what the two share.</param>
    public DeviceFront(Func<GrantInterrupt, Props> device)
    {
        var interrupt = new GrantInterrupt();
        IActorRef child = Context.ActorOf(device(interrupt), "device");
        Receive<GrantRanks>(grant =>
        {
            // In this order: the device finds the grant in its mail before anything that the interruption leads to.
            child.Forward(grant);
            interrupt.Announce(grant);
        });
        ReceiveAny(child.Forward);
    }
}

/// <summary>Cancels the grant that a device works on as soon as a later one is in its mail. Thread-safe.</summary>
public sealed class GrantInterrupt
{
    private readonly Lock _gate = new();
    private GrantRanks? _latest;
    private (GrantRanks Grant, CancellationTokenSource Cancel)? _current;

    /// <summary>A grant has come.</summary>
    public void Announce(GrantRanks grant)
    {
        CancellationTokenSource? cancel = null;
        lock (_gate)
        {
            if (_latest is null || GrantOrder.IsLater(grant, _latest)) _latest = grant;
            if (_current is { } current && GrantOrder.IsLater(grant, current.Grant)) cancel = current.Cancel;
        }
        cancel?.Cancel();
    }

    /// <summary>The device begins with a grant.</summary>
    /// <returns>Cancelled when a later grant comes, or at once if it is there already.</returns>
    public CancellationTokenSource Begin(GrantRanks grant)
    {
        var cancel = new CancellationTokenSource();
        lock (_gate)
        {
            _current = (grant, cancel);
            if (_latest is null || !GrantOrder.IsLater(_latest, grant)) return cancel;
        }
        cancel.Cancel();
        return cancel;
    }
}
