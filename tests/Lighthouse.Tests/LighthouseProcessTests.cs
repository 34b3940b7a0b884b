using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using ElasticTrain.Core;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.Lighthouse.Tests;

/// <summary>The real executable.</summary>
public class LighthouseProcessTests
{
    private const string Up = "lighthouse up at";

    [Fact]
    public async Task A_lighthouse_without_seeds_forms_a_cluster_and_leaves_it_when_asked_to()
    {
        int port = Ports.Free();
        using ProcessUnderTest lighthouse = Start(port);
        Assert.Equal($"lighthouse up at akka.tcp://ElasticTrain@127.0.0.1:{port}", await lighthouse.WaitForLineAsync(Up));
        using ActorSystem system = Clusters.Member();
        Cluster cluster = system.Join($"akka.tcp://ElasticTrain@127.0.0.1:{port}");
        await cluster.WaitForUpAsync(port);

        lighthouse.Send(Signal.Terminate);

        Assert.Equal(0, await lighthouse.WaitForExitAsync());
        await cluster.WaitForUpAsync();
        await system.Terminate();
    }

    [Fact]
    public async Task A_lighthouse_told_to_join_does_not_form_a_second_cluster()
    {
        using ProcessUnderTest lighthouse = Start(Ports.Free(), "--seeds", $"127.0.0.1:{Ports.Free()}", "--join-timeout", "2");
        Assert.Equal(1, await lighthouse.WaitForExitAsync());
        Assert.Contains("does not form a second one", lighthouse.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Up, lighthouse.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lighthouse_that_is_not_the_first_of_its_seeds_waits_for_the_first()
    {
        int first = Ports.Free(), second = Ports.Free();
        string seeds = $"127.0.0.1:{first},127.0.0.1:{second}";
        using ProcessUnderTest waiting = Start(second, "--seeds", seeds, "--join-timeout", "3");
        Assert.Equal(1, await waiting.WaitForExitAsync());

        using ProcessUnderTest early = Start(second, "--seeds", seeds);
        using ProcessUnderTest forming = Start(first, "--seeds", seeds);
        await forming.WaitForLineAsync(Up);
        await early.WaitForLineAsync(Up);
    }

    [Fact]
    public async Task A_killed_lighthouse_is_missed_by_nobody_and_comes_back_into_the_same_cluster()
    {
        int port = Ports.Free();
        using ProcessUnderTest lighthouse = Start(port);
        await lighthouse.WaitForLineAsync(Up);
        using ActorSystem one = Clusters.Member(), two = Clusters.Member();
        Cluster cluster = one.Join($"akka.tcp://ElasticTrain@127.0.0.1:{port}");
        int other = two.Join($"akka.tcp://ElasticTrain@127.0.0.1:{port}").SelfAddress.Port!.Value;
        await cluster.WaitForUpAsync(port, other);

        lighthouse.Kill();
        await cluster.WaitForUpAsync(other);

        using ProcessUnderTest again = Start(port, "--seeds", cluster.SelfAddress.ToString());
        await again.WaitForLineAsync(Up);
        await cluster.WaitForUpAsync(port, other);
        await Task.WhenAll(one.Terminate(), two.Terminate());
    }

    [Fact]
    public async Task A_lighthouse_that_the_others_put_out_ends_and_says_so()
    {
        int port = Ports.Free();
        using ProcessUnderTest lighthouse = Start(port);
        await lighthouse.WaitForLineAsync(Up);
        using ActorSystem system = Clusters.Member();
        Cluster cluster = system.Join($"akka.tcp://ElasticTrain@127.0.0.1:{port}");
        await cluster.WaitForUpAsync(port);

        cluster.Down(new Address("akka.tcp", "ElasticTrain", "127.0.0.1", port));

        Assert.Equal(1, await lighthouse.WaitForExitAsync());
        Assert.Contains("removed from the cluster", lighthouse.Output, StringComparison.Ordinal);
        await system.Terminate();
    }

    [Fact]
    public async Task Two_lighthouses_on_one_port_the_second_says_that_it_is_taken()
    {
        int port = Ports.Free();
        using ProcessUnderTest first = Start(port);
        await first.WaitForLineAsync(Up);
        using ProcessUnderTest second = Start(port);
        Assert.Equal(3, await second.WaitForExitAsync());
        Assert.Contains($"port {port} is taken", second.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lighthouse_ends_within_five_seconds_of_its_parent()
    {
        using ProcessUnderTest parent = ProcessUnderTest.Start("sleep", ["1000"]);
        using ProcessUnderTest lighthouse = Start(Ports.Free(), "--parent", parent.Pid.ToString(CultureInfo.InvariantCulture));
        await lighthouse.WaitForLineAsync(Up);
        parent.Kill();
        var clock = Stopwatch.StartNew();
        await lighthouse.WaitForExitAsync();
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"it took {clock.Elapsed}");
    }

    [Theory]
    [InlineData("--port", "many")]
    [InlineData("--port")]
    [InlineData("--seeds", "nowhere")]
    [InlineData("--seeds", "akka.tcp://Other@127.0.0.1:4053")]
    [InlineData("--system", "no spaces")]
    [InlineData("--join-timeout", "-1")]
    [InlineData("--parent", "me")]
    [InlineData("--unknown")]
    public void Bad_usage_names_the_option(params string[] arguments)
    {
        var e = Assert.Throws<BadInputException>(() => LighthouseOptions.Parse(arguments, new Dictionary<string, string>()));
        Assert.Contains(arguments[0][2..].Split('-')[0], e.Message.Replace("CLUSTER_PORT", "port", StringComparison.Ordinal)
            .Replace("CLUSTER_SEEDS", "seeds", StringComparison.Ordinal).Replace("ACTORSYSTEM", "system", StringComparison.Ordinal)
            .Replace("process", "parent", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_go_above_the_environment()
    {
        var environment = new Dictionary<string, string> { ["ACTORSYSTEM"] = "Mine", ["CLUSTER_PORT"] = "5000", ["CLUSTER_IP"] = "10.0.0.1" };
        LighthouseOptions options = LighthouseOptions.Parse(["--port", "5001", "--set", "akka.loglevel=DEBUG"], environment);
        Assert.Equal("akka.tcp://Mine@10.0.0.1:5001", options.Cluster.Address);
        Assert.Equal("akka.loglevel = DEBUG", options.Cluster.Overrides);
    }

    private static ProcessUnderTest Start(int port, params string[] arguments) =>
        ProcessUnderTest.Start(Executable.Lighthouse, ["--port", port.ToString(CultureInfo.InvariantCulture), .. arguments]);
}
