using System.Diagnostics;

namespace ElasticTrain.Core.Tests;

public class ProcessTests
{
    [Fact]
    public void A_process_is_told_from_a_later_one_of_the_same_number()
    {
        ProcessIdentity self = ProcessIdentity.Current;
        Assert.Equal(Environment.ProcessId, self.Pid);
        Assert.True(self.IsAlive);
        Assert.False((self with { Start = self.Start + 1 }).IsAlive);
        Assert.Equal(self, ProcessIdentity.Parse(self.ToString()));
        Assert.Equal(self, ProcessIdentity.Parse($"{self.Pid}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("me")]
    [InlineData("-1")]
    [InlineData("0")]
    [InlineData("1:2:3")]
    [InlineData("1:x")]
    public void Text_that_is_no_process_is_refused(string text) => Assert.Throws<BadInputException>(() => ProcessIdentity.Parse(text));

    [Fact]
    public void A_process_that_has_ended_is_not_alive_even_before_it_is_collected()
    {
        using Process child = Process.Start(new ProcessStartInfo("sleep", "1000"))!;
        ProcessIdentity identity = ProcessIdentity.Find(child.Id)!.Value;
        Assert.True(identity.IsAlive);
        child.Kill();
        Assert.True(SpinWait.SpinUntil(() => !identity.IsAlive, TimeSpan.FromSeconds(30)));
        Assert.Null(ProcessIdentity.Find(int.MaxValue));
    }

    [Fact]
    public async Task When_the_parent_is_gone_the_process_is_asked_to_end_and_then_killed()
    {
        using Process parent = Process.Start(new ProcessStartInfo("sleep", "1000"))!;
        var asked = new TaskCompletionSource();
        var killed = new TaskCompletionSource();
        using ParentWatch watch = ParentWatch.Start(ProcessIdentity.Find(parent.Id)!.Value, () =>
        {
            asked.SetResult();
            Thread.Sleep(Timeout.Infinite); // A stop that hangs.
        }, killed.SetResult);
        Assert.False(asked.Task.IsCompleted);
        var clock = Stopwatch.StartNew();
        parent.Kill();
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await killed.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.InRange(clock.Elapsed.TotalSeconds, 2.5, 5);
    }

    [Fact]
    public async Task A_parent_of_the_right_number_but_another_start_is_gone()
    {
        var asked = new TaskCompletionSource();
        using ParentWatch watch = ParentWatch.Start(ProcessIdentity.Current with { Start = 1 }, asked.SetResult, () => { });
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void Environment_variables_become_settings()
    {
        ClusterEnvironment cluster = ClusterEnvironment.Read(new Dictionary<string, string>
        {
            ["ACTORSYSTEM"] = "Mine",
            ["CLUSTER_SEEDS"] = "a:1, akka.tcp://Mine@b:2,a:1",
            ["AKKA__CLUSTER__GOSSIP_INTERVAL"] = "1s",
            ["AKKA__REMOTE__DOT_NETTY__TCP__PUBLIC_HOSTNAME"] = "with \"quotes\"",
            ["AKKA__CLUSTER__ROLES__1"] = "two",
            ["AKKA__CLUSTER__ROLES__0"] = "one",
            ["AKKADIAN"] = "no",
        }, 7);
        Assert.Equal(["akka.tcp://Mine@a:1", "akka.tcp://Mine@b:2"], cluster.Seeds);
        Assert.Equal("akka.tcp://Mine@127.0.0.1:7", cluster.Address);
        Assert.Equal(
            "akka.cluster.gossip-interval = \"1s\"\nakka.remote.dot-netty.tcp.public-hostname = \"with \\\"quotes\\\"\"\nakka.cluster.roles = [\"one\", \"two\"]\n",
            cluster.Overrides);
    }
}
