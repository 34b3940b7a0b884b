namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>What a spec's code may have done to processes and links. Each call returns when it is done, and throws if it cannot be.</summary>
public sealed class TestConductor
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ConductorClient _client;

    internal TestConductor(ConductorClient client) => _client = client;

    /// <summary>Drops what two nodes send to each other over Akka.Remote, at the first one's transport. Connections stay open, nothing is told to anybody.</summary>
    /// <param name="node">At whose transport. A Lighthouse has none that can be throttled; then it is done at the other side.</param>
    /// <param name="other">The other end.</param>
    /// <param name="direction">As <paramref name="node"/> sees it. A second call for the same two replaces the first.</param>
    public void Blackhole(Role node, Role other, Direction direction) => SetThrottle(node, other, direction, blackhole: true);

    /// <summary>Heals what <see cref="Blackhole"/> has cut. What was dropped stays lost.</summary>
    public void PassThrough(Role node, Role other, Direction direction) => SetThrottle(node, other, direction, blackhole: false);

    /// <summary>kill -9; returns when the process is gone. Barriers no longer wait for the role.</summary>
    public void Kill(Role role) => Control(NodeControl.Kill, role);

    /// <summary>SIGSTOP; returns when the process stands still. Barriers still wait for it.</summary>
    public void Stop(Role role) => Control(NodeControl.Stop, role);

    /// <summary>SIGCONT.</summary>
    public void Continue(Role role) => Control(NodeControl.Continue, role);

    /// <summary>Starts a role whose process has ended, as its next life on the same address; runs the spec's code from its beginning, see <see cref="SpecNode.Life"/>. Barriers wait for it again.</summary>
    public void Start(Role role) => Control(NodeControl.Start, role);

    /// <summary>Takes the network link of a role down, for Akka.Remote and all else. Only with <see cref="MultiNodeConfig.InNamespaces"/>.</summary>
    public void LinkDown(Role role) => Control(NodeControl.LinkDown, role);

    /// <summary>Takes it up again.</summary>
    public void LinkUp(Role role) => Control(NodeControl.LinkUp, role);

    private void Control(NodeControl what, Role role) => _client.Request(id => new ControlNode(id, what, role.Name), Patience);

    private void SetThrottle(Role node, Role other, Direction direction, bool blackhole)
    {
        if (node == Role.Lighthouse)
        {
            (node, other) = (other, node);
            direction = direction switch { Direction.Send => Direction.Receive, Direction.Receive => Direction.Send, _ => direction };
        }
        _client.Request(id => new Throttle(id, node.Name, other.Name, direction, blackhole), Patience);
    }
}
