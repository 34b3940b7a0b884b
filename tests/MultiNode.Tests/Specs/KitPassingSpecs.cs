using Akka.Actor;
using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>Two nodes with remoting alone; each has an echo actor.</summary>
internal abstract class TwoNodeSpec : MultiNodeSpec
{
    protected static readonly Role First = new("first"), Second = new("second");
    private int _word;

    protected TwoNodeSpec(SpecNode node)
        : base(node) => Sys.ActorOf(Props.Create(() => new Echo()), "echo");

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }

    /// <summary>Sends until an answer comes.</summary>
    protected void AwaitAnswer(Role from) => AwaitAssert(() => Assert.True(Answers(from, TimeSpan.FromMilliseconds(500))), TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(10));

    protected void ExpectSilence(Role from) => Assert.False(Answers(from, TimeSpan.FromMilliseconds(700)), $"{from} answers");

    /// <summary>Whether this word comes back; answers to earlier ones are passed over.</summary>
    private bool Answers(Role from, TimeSpan within)
    {
        string word = $"{Self.Role} {++_word}";
        Sys.ActorSelection(new RootActorPath(Node(from)) / "user" / "echo").Tell(word, TestActor);
        for (DateTime end = DateTime.UtcNow + within; end - DateTime.UtcNow is { Ticks: > 0 } left;)
            if (ReceiveOne(left) as string == word) return true;
        return false;
    }
}

internal sealed class BarrierSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        string mark = Path.Combine(Self.Arguments["folder"], "first was here");
        for (int round = 0; round < 5; round++)
        {
            RunOn(() =>
            {
                ExpectNoMsg(TimeSpan.FromMilliseconds(200)); // by now the other one waits
                File.WriteAllText(mark, "");
            }, First);
            EnterBarrier($"written {round}");
            RunOn(() => Assert.True(File.Exists(mark)), Second);
            EnterBarrier($"read {round}", First, Second);
            RunOn(() => File.Delete(mark), First);
        }
    }
}

internal sealed class ThrottleSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        AwaitAnswer(Self.Role == First ? Second : First);
        EnterBarrier("the link works");
        foreach (Direction direction in (Direction[])[Direction.Both, Direction.Send, Direction.Receive])
        {
            RunOn(() =>
            {
                TestConductor.Blackhole(First, Second, direction);
                ExpectSilence(Second);
                TestConductor.PassThrough(First, Second, direction);
                AwaitAnswer(Second);
            }, First);
            EnterBarrier($"healed {direction}");
        }

        // In one direction: what the first one sends is lost, what the second sends arrives.
        RunOn(() => TestConductor.Blackhole(First, Second, Direction.Send), First);
        EnterBarrier("cut");
        RunOn(() => Sys.ActorSelection(new RootActorPath(Node(Second)) / TestActor.Path.Elements).Tell("lost", TestActor), First);
        RunOn(() => Sys.ActorSelection(new RootActorPath(Node(First)) / TestActor.Path.Elements).Tell("arrives", TestActor), Second);
        RunOn(() => ExpectMsg("arrives"), First);
        RunOn(() => ExpectNoMsg(TimeSpan.FromMilliseconds(500)), Second);
        EnterBarrier("heard");
    }
}

internal sealed class KillAndStartSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        if (Self.Life == 1)
        {
            EnterBarrier("both are here");
            RunOn(() =>
            {
                AwaitAnswer(Second);
                TestConductor.Kill(Second);
                EnterBarrier("alone");
                ExpectSilence(Second);
                Assert.Throws<InvalidOperationException>(() => TestConductor.Kill(Second));
                TestConductor.Start(Second);
            }, First);
            RunOn(() => Sys.WhenTerminated.Wait(), Second); // killed here
        }
        EnterBarrier("both are here again");
        RunOn(() => AwaitAnswer(Second), First);
        RunOn(() => Assert.Equal(2, Self.Life), Second);
        EnterBarrier("answered");
    }
}

internal sealed class StopSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        RunOn(() =>
        {
            AwaitAnswer(Second);
            TestConductor.Stop(Second);
            ExpectSilence(Second);
            TestConductor.Continue(Second);
            AwaitAnswer(Second);
        }, First);
        EnterBarrier("answered");
    }
}

internal sealed class LinkUpAndDownSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second) { InNamespaces = true };

    public override void Run()
    {
        RunOn(() =>
        {
            AwaitAnswer(Second);
            TestConductor.LinkDown(Second);
            ExpectSilence(Second);
            TestConductor.LinkUp(Second);
            AwaitAnswer(Second);
        }, First);
        EnterBarrier("answered");
    }
}
