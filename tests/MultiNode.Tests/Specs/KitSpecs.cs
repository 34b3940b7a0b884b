using Akka.Actor;
using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>The kit itself.</summary>
public sealed class KitSpecs
{
    [Fact]
    public Task Cut_links_drop_and_healed_ones_pass_in_the_directions_asked_for() => Kit.MultiNode.PlayAsync<ThrottleSpec>();
}

/// <summary>Two nodes with remoting alone: each can talk to the other's echo actor.</summary>
public abstract class TwoNodeSpec(SpecNode node) : MultiNodeSpec(node)
{
    protected static readonly Role First = new("first"), Second = new("second");

    protected sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }

    protected IActorRef StartEcho() => Sys.ActorOf(Props.Create(() => new Echo()), "echo");

    /// <summary>Sends until an answer comes.</summary>
    protected void AwaitAnswer(Role from, string word)
    {
        ActorSelection echo = Sys.ActorSelection(new RootActorPath(Node(from)) / "user" / "echo");
        AwaitAssert(() =>
        {
            echo.Tell(word);
            FishForMessage<string>(m => m == word, TimeSpan.FromMilliseconds(300));
        }, TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(10));
        ReceiveWhile<string>(_ => "", TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(100));
    }

    protected void ExpectSilence(Role from)
    {
        Sys.ActorSelection(new RootActorPath(Node(from)) / "user" / "echo").Tell("anybody there?");
        ExpectNoMsg(TimeSpan.FromMilliseconds(700));
    }
}

internal sealed class ThrottleSpec(SpecNode node) : TwoNodeSpec(node), IMultiNodeSpec
{
    public static MultiNodeConfig Config => new(First, Second);

    public override void Run()
    {
        StartEcho();
        EnterBarrier("echoes are there");
        AwaitAnswer(Self.Role == First ? Second : First, "before");
        EnterBarrier("link works");
        foreach (Direction direction in (Direction[])[Direction.Both, Direction.Send, Direction.Receive])
        {
            RunOn(() =>
            {
                TestConductor.Blackhole(First, Second, direction);
                ExpectSilence(Second);
                TestConductor.PassThrough(First, Second, direction);
                AwaitAnswer(Second, $"after {direction}");
            }, First);
            EnterBarrier($"healed {direction}");
        }
    }
}
