using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>Links between members fail while their processes live: the Lighthouse's side goes on, and who is put out ends by itself.</summary>
internal abstract class LinkSpec(SpecNode node) : MembershipSpec(node)
{
    protected abstract IReadOnlyList<(Role At, Role Other, Direction Direction)> Cuts { get; }

    /// <summary>Who is still in the cluster afterwards.</summary>
    protected abstract Role[] Survivors { get; }

    public override void Run()
    {
        AwaitAllUp();
        RunOn(() =>
        {
            foreach ((Role at, Role other, Direction direction) in Cuts) TestConductor.Blackhole(at, other, direction);
        }, First);
        EnterBarrier("cut");
        if (Survivors.Contains(Self.Role)) AwaitMembersUp(Survivors);
        else AwaitRemoved();
        EnterBarrier("settled");
        // Healing brings nobody back who was put out.
        RunOn(() =>
        {
            foreach ((Role at, Role other, Direction direction) in Cuts.Where(c => Survivors.Contains(c.At))) TestConductor.PassThrough(at, other, direction);
        }, First);
        EnterBarrier("healed");
        if (Survivors.Contains(Self.Role)) AwaitMembersUp(Survivors);
    }
}

internal sealed class IsolatedNodeSpec(SpecNode node) : LinkSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    protected override IReadOnlyList<(Role At, Role Other, Direction Direction)> Cuts =>
        [(Third, Role.Lighthouse, Direction.Both), (First, Third, Direction.Both), (Second, Third, Direction.Both)];

    protected override Role[] Survivors => [Role.Lighthouse, First, Second];
}

internal sealed class MuteNodeSpec(SpecNode node) : LinkSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    protected override IReadOnlyList<(Role At, Role Other, Direction Direction)> Cuts =>
        [(Third, Role.Lighthouse, Direction.Send), (First, Third, Direction.Receive), (Second, Third, Direction.Receive)];

    protected override Role[] Survivors => [Role.Lighthouse, First, Second];
}

internal sealed class CutLinkSpec(SpecNode node) : LinkSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    protected override IReadOnlyList<(Role At, Role Other, Direction Direction)> Cuts => [(Second, Third, Direction.Both)];

    protected override Role[] Survivors => [Role.Lighthouse, First];
}

internal sealed class OneWayLinkSpec(SpecNode node) : LinkSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    protected override IReadOnlyList<(Role At, Role Other, Direction Direction)> Cuts => [(Second, Third, Direction.Send)];

    protected override Role[] Survivors => [Role.Lighthouse, First];
}
