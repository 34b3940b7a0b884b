using ElasticTrain.Model;

namespace ElasticTrain.Actors.Nodes;

/// <summary>One device's way through a <see cref="ParameterWindow"/>: which segments it needs in which order, and the one that it holds.</summary>
public sealed class WindowSession : IParameterResidency, IDisposable
{
    private readonly ParameterWindow _window;
    private readonly Func<ParameterSegment, CancellationToken, Task> _load;
    private readonly CancellationTokenSource _cancel;
    private volatile IReadOnlyList<int> _route = [];
    private volatile int _position = -1;

    internal WindowSession(ParameterWindow window, Func<ParameterSegment, CancellationToken, Task> load, CancellationToken ct)
    {
        (_window, _load) = (window, load);
        _cancel = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Cancellation = _cancel.Token;
    }

    internal CancellationToken Cancellation { get; }

    /// <summary>The segment that may be touched; belongs to the window's lock.</summary>
    internal int? Held { get; set; }

    /// <summary>The segment that is entered after the present one; null where the route ends.</summary>
    internal int? Next => _position + 1 < _route.Count ? _route[_position + 1] : null;

    /// <inheritdoc/>
    public void Begin(IReadOnlyList<int> route)
    {
        _position = -1;
        _route = route;
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The route says otherwise.</exception>
    public void Enter(int segment)
    {
        if (_position >= 0 && _route[_position] == segment) return;
        if (Next != segment) throw new InvalidOperationException($"Segment {segment} is entered, but the route says {Next?.ToString() ?? "none"} at position {_position + 1}.");
        _position++;
        EnterAsync(segment).GetAwaiter().GetResult();
    }

    /// <summary>Enters a segment outside any route.</summary>
    public Task EnterAsync(int segment) => _window.EnterAsync(this, segment);

    /// <inheritdoc/>
    public void End() => _window.Leave(this);

    /// <summary>Fails what waits here, now and later.</summary>
    public void Cancel() => _ = _cancel.CancelAsync();

    /// <summary>Gives everything up.</summary>
    public void Dispose() => _window.Close(this);

    internal Task LoadAsync(ParameterSegment segment, CancellationToken ct) => _load(segment, ct);

    internal int NextUse(int segment)
    {
        var (route, position) = (_route, _position);
        for (int ahead = 1; ahead <= route.Count; ahead++)
            if (route[(position + ahead + route.Count) % route.Count] == segment) return ahead;
        return int.MaxValue;
    }
}
