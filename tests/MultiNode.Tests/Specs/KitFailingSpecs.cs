using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

// Specs that fail on purpose: KitSpecs looks at how.

internal sealed class FailingSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        EnterBarrier("here");
        RunOn(() =>
        {
            Console.WriteLine("second has counted its fingers");
            Assert.Equal(4, 5);
        }, Second);
        EnterBarrier("never");
    }
}

internal sealed class DyingSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        EnterBarrier("here");
        RunOn(() => Signal.Send(Environment.ProcessId, Signal.Kill), Second);
        EnterBarrier("never");
    }
}

internal sealed class AbsentSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second) { BarrierTimeout = TimeSpan.FromSeconds(1) };

    public override void Run()
    {
        RunOn(() => Sys.WhenTerminated.Wait(), Second);
        EnterBarrier("together");
    }
}

internal sealed class DepartedSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run() => RunOn(() => EnterBarrier("together"), First);
}

internal sealed class EndlessSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second) { Deadline = TimeSpan.FromSeconds(2) };

    public override void Run()
    {
        EnterBarrier("the last one");
        RunOn(() => Sys.WhenTerminated.Wait(), Second);
    }
}

internal sealed class FailingLinkSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second) { InNamespaces = true };

    public override void Run()
    {
        RunOn(() =>
        {
            TestConductor.LinkDown(Second);
            Assert.Fail("on purpose, with the link down");
        }, First);
        EnterBarrier("never");
    }
}

/// <summary>Stops one node, says which processes there are, and goes on for ever.</summary>
internal sealed class OrphanSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        string pid = Path.Combine(Self.Arguments["folder"], Self.Role.Name);
        File.WriteAllText(pid, $"{Environment.ProcessId}\n");
        EnterBarrier("written");
        RunOn(() =>
        {
            TestConductor.Stop(Second);
            string pids = Path.Combine(Self.Arguments["folder"], "pids");
            File.WriteAllText(pids + ".new", File.ReadAllText(pid) + File.ReadAllText(Path.Combine(Self.Arguments["folder"], Second.Name)));
            File.Move(pids + ".new", pids);
        }, First);
        Sys.WhenTerminated.Wait();
    }
}
