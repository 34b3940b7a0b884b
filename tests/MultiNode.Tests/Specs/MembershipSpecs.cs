using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>A Lighthouse and three nodes over the project's own cluster settings: who stays in the cluster when processes and links fail.</summary>
public sealed class MembershipSpecs
{
    [Fact]
    public Task A_killed_node_is_put_out_and_comes_back_as_a_new_incarnation() => SpecPlayer.PlayAsync<KilledNodeSpec>();

    [Fact]
    public Task A_killed_lighthouse_is_put_out_and_the_others_go_on() => SpecPlayer.PlayAsync<KilledLighthouseSpec>();

    [Fact]
    public Task A_lighthouse_whose_nodes_all_die_at_once_stays_and_takes_new_ones() => SpecPlayer.PlayAsync<KilledNodesSpec>();

    [Fact]
    public Task A_node_that_is_left_alone_stays_and_takes_new_ones() => SpecPlayer.PlayAsync<LoneNodeSpec>();

    [Fact]
    public Task A_node_that_was_stopped_past_its_removal_ends_when_it_is_continued() => SpecPlayer.PlayAsync<StoppedNodeSpec>();

    [Fact]
    public Task A_node_that_was_stopped_for_less_than_that_stays() => SpecPlayer.PlayAsync<BriefStopSpec>();

    [Fact]
    public Task A_node_that_is_cut_off_from_all_others_ends_and_they_go_on() => SpecPlayer.PlayAsync<IsolatedNodeSpec>();

    [Fact]
    public Task A_node_that_hears_the_others_but_is_not_heard_ends_and_they_go_on() => SpecPlayer.PlayAsync<MuteNodeSpec>();

    [Fact]
    public Task Two_nodes_that_do_not_reach_each_other_both_end_and_the_others_go_on() => SpecPlayer.PlayAsync<CutLinkSpec>();

    [Fact]
    public Task Two_nodes_of_which_one_does_not_hear_the_other_both_end_and_the_others_go_on() => SpecPlayer.PlayAsync<OneWayLinkSpec>();
}

/// <summary>Three nodes that are up together with their Lighthouse before anything happens.</summary>
internal abstract class MembershipSpec(SpecNode node) : ClusterSpec(node)
{
    protected static readonly Role First = new("first"), Second = new("second"), Third = new("third");

    protected static MultiNodeConfig ThreeNodes => new(First, Second, Third) { WithLighthouse = true };

    protected void AwaitAllUp()
    {
        AwaitMembersUp(Role.Lighthouse, First, Second, Third);
        EnterBarrier("all are up");
    }
}

/// <summary>The conducting role is in no cluster: nobody can join through it.</summary>
internal sealed class KilledNodeSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    private static readonly Role Operator = new("operator");

    public static MultiNodeConfig Config => new(First, Second, Third, Operator)
    {
        WithLighthouse = true,
        System = node => node.Role == Operator ? SpecSystem.StartLocal(node) : SpecSystem.Start(node),
    };

    public override void Run()
    {
        RunOn(() =>
        {
            EnterBarrier("all are up");
            TestConductor.Kill(Third);
            EnterBarrier("third is out");
            TestConductor.Start(Third);
        }, Operator);
        RunOn(() =>
        {
            if (Self.Life == 1)
            {
                AwaitAllUp();
                RunOn(() => Sys.WhenTerminated.Wait(), Third); // killed here
                int incarnation = Cluster.State.Members.Single(m => m.Address == Node(Third)).UniqueAddress.Uid;
                AwaitMembersUp(Role.Lighthouse, First, Second);
                EnterBarrier("third is out");
                AwaitMembersUp(Role.Lighthouse, First, Second, Third);
                Assert.NotEqual(incarnation, Cluster.State.Members.Single(m => m.Address == Node(Third)).UniqueAddress.Uid);
            }
            else AwaitMembersUp(Role.Lighthouse, First, Second, Third);
        }, First, Second, Third);
        EnterBarrier("third is back");
    }
}

/// <summary>The conductor fails the spec if the Lighthouse ends without having been asked to.</summary>
internal sealed class KilledNodesSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    private static readonly Role Operator = new("operator");

    public static MultiNodeConfig Config => new(First, Second, Third, Operator)
    {
        WithLighthouse = true,
        System = node => node.Role == Operator ? SpecSystem.StartLocal(node) : SpecSystem.Start(node),
    };

    public override void Run()
    {
        RunOn(() =>
        {
            EnterBarrier("all are up");
            foreach (Role role in (Role[])[First, Second, Third]) TestConductor.Kill(role);
            AwaitAssert(() => Assert.Equal(3, Self.PutOut()), Patience, TimeSpan.FromMilliseconds(50));
            foreach (Role role in (Role[])[First, Second, Third]) TestConductor.Start(role);
        }, Operator);
        RunOn(() =>
        {
            if (Self.Life == 1)
            {
                AwaitAllUp();
                Sys.WhenTerminated.Wait(); // killed here
            }
            EnterBarrier("all have started", First, Second, Third);
            AwaitMembersUp(Role.Lighthouse, First, Second, Third);
        }, First, Second, Third);
        EnterBarrier("all are back");
    }
}

internal sealed class LoneNodeSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    public override void Run()
    {
        if (Self.Life == 1)
        {
            AwaitAllUp();
            RunOn(() => Sys.WhenTerminated.Wait(), Second, Third); // killed here
            foreach (Role role in (Role[])[Role.Lighthouse, Second, Third]) TestConductor.Kill(role);
            AwaitMembersUp(First);
            TestConductor.Start(Second);
        }
        AwaitMembersUp(First, Second);
        EnterBarrier("second is back");
    }
}

internal sealed class KilledLighthouseSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    public override void Run()
    {
        if (Self.Life == 1)
        {
            AwaitAllUp();
            RunOn(() => TestConductor.Kill(Role.Lighthouse), First);
            AwaitMembersUp(First, Second, Third);
            EnterBarrier("the lighthouse is out");
            // They go on: one of them can leave, and come back with no Lighthouse to join through.
            RunOn(() =>
            {
                Cluster.Leave(Cluster.SelfAddress);
                Sys.WhenTerminated.Wait(); // killed here
            }, Third);
            AwaitMembersUp(First, Second);
            RunOn(() => TestConductor.Kill(Third), First);
            EnterBarrier("third has left");
            RunOn(() => TestConductor.Start(Third), First);
        }
        AwaitMembersUp(First, Second, Third);
        EnterBarrier("third is back");
    }
}

internal sealed class StoppedNodeSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    public override void Run()
    {
        AwaitAllUp();
        RunOn(() => TestConductor.Stop(Third), First);
        RunOn(() =>
        {
            AwaitMembersUp(Role.Lighthouse, First, Second);
            EnterBarrier("third is out", First, Second);
        }, First, Second);
        RunOn(() => TestConductor.Continue(Third), First);
        RunOn(AwaitRemoved, Third);
        RunOn(() => AwaitMembersUp(Role.Lighthouse, First, Second), First, Second);
        EnterBarrier("settled");
    }
}

internal sealed class BriefStopSpec(SpecNode node) : MembershipSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => ThreeNodes;

    public override void Run()
    {
        AwaitAllUp();
        int[] members = [.. Cluster.State.Members.Select(m => m.UniqueAddress.Uid)];
        RunOn(() =>
        {
            TestConductor.Stop(Third);
            // Suspected, but not put out yet: that takes stable-after as well.
            AwaitAssert(() => Assert.Contains(Members(), m => m.EndsWith("unreachable", StringComparison.Ordinal)), Patience, TimeSpan.FromMilliseconds(10));
            TestConductor.Continue(Third);
        }, First);
        AwaitMembersUp(Role.Lighthouse, First, Second, Third);
        EnterBarrier("third is reachable");
        Assert.Equal(members, Cluster.State.Members.Select(m => m.UniqueAddress.Uid));
        Assert.False(Cluster.IsTerminated);
    }
}
