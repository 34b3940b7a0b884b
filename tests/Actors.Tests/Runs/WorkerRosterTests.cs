using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Runs;

public sealed class WorkerRosterTests
{
    private static readonly DateTime Now = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private static readonly ShardRoute[] Routes = [new(new ShardId(0), new ReplicaId(1), "a:1")];

    private readonly WorkerRoster _roster = new();

    private static WorkerHello Hello(int node, int devices) => new(
        new NodeId($"node-{node}", $"akka://{node}", node), 1, default, 1, default, default, "", ActorRefs.Nobody, [.. Enumerable.Repeat(ActorRefs.Nobody, devices)], []);

    private static GrantRanks Grant(long id, IReadOnlyList<ShardRoute>? routes = null, int ranks = 2) =>
        new(new Term(1), id, default, new RankRange(0, ranks), 0, routes ?? Routes);

    [Fact]
    public void Devices_are_idle_working_and_idle_again_in_the_order_in_which_they_came()
    {
        _roster.Update(Hello(1, 2));
        _roster.Update(Hello(2, 1));
        var all = _roster.Devices.ToList();
        Assert.Equal(all, _roster.Idle);
        _roster.Give(all[1], Grant(7), Now);
        Assert.Equal([all[0], all[2]], _roster.Idle);
        Assert.Null(_roster.TakeBack(8));
        Assert.Same(all[1], _roster.TakeBack(7));
        Assert.Null(all[1].Grant);
        Assert.Null(_roster.TakeBack(7));
        Assert.Equal(all, _roster.Idle);
    }

    [Fact]
    public void Devices_of_nodes_that_cannot_work_or_are_gone_are_not_idle()
    {
        _roster.Update(Hello(1, 1));
        _roster.Update(Hello(2, 1));
        var all = _roster.Devices.ToList();
        all[0].Worker.Silent = true;
        Assert.Equal([all[1]], _roster.Idle);
        all[0].Worker.Silent = false;
        _roster.Give(all[1], Grant(1), Now);
        var gone = _roster.Remove(all[1].Worker.Hello.Node)!;
        _roster.TakeBack(gone.Devices[0]);
        Assert.Equal([all[0]], _roster.Idle);
        _roster.Give(all[0], Grant(2), Now);
        _roster.TakeBackAll();
        Assert.Equal([all[0]], _roster.Idle);
    }

    [Fact]
    public void Routes_are_said_until_a_grant_with_them_is_finished_and_again_when_they_change_or_a_grant_fails()
    {
        _roster.Update(Hello(1, 1));
        var device = _roster.Devices.Single();
        Assert.Equal(Routes, device.Brief(Grant(1)).Routes);
        // Not heard of yet: the grant is said again with its routes, and so is a later one.
        Assert.Null(device.Brief(Grant(1)).RoutesOf);
        Assert.Null(device.Brief(Grant(2)).RoutesOf);
        device.Finished(1, 2, TimeSpan.FromSeconds(1));
        Assert.Null(device.Brief(Grant(2)).RoutesOf);
        device.Finished(2, 2, TimeSpan.FromSeconds(1));
        var brief = device.Brief(Grant(3));
        Assert.Equal(2, brief.RoutesOf);
        Assert.Empty(brief.Routes);
        device.Failed();
        Assert.Null(device.Brief(Grant(4)).RoutesOf);
        device.Finished(4, 2, TimeSpan.FromSeconds(1));
        ShardRoute[] others = [Routes[0] with { DataPlane = "b:1" }];
        Assert.Equal(others, device.Brief(Grant(5, others)).Routes);
    }

    [Fact]
    public void Ranks_are_shared_out_by_the_devices_speeds()
    {
        _roster.Update(Hello(1, 2));
        var devices = _roster.Devices.ToList();
        devices[0].Finished(1, 1, TimeSpan.FromSeconds(1));
        devices[1].Finished(2, 1, TimeSpan.FromSeconds(3));
        // 24 ranks: 18 and 6 would end together; of more than two only half is dealt out at first, then all.
        Assert.Equal(9, new FairShare().Of(devices[0], true, 24, _roster, Now));
        Assert.Equal(3, new FairShare().Of(devices[1], true, 24, _roster, Now));
        Assert.Equal(9, new FairShare().Of(devices[0], false, 12, _roster, Now));
        // Two of four ranks are still under way after two seconds: of these and 4 queued ones 1.5 are the slow one's.
        _roster.Give(devices[0], Grant(3, ranks: 4), Now);
        Assert.Equal(2, new FairShare().Of(devices[1], true, 4, _roster, Now + TimeSpan.FromSeconds(2)));
    }

    [Fact]
    public void An_old_estimate_of_many_devices_still_gives_everybody_the_same_share()
    {
        for (int node = 0; node < 50; node++) _roster.Update(Hello(node, 8));
        foreach (var device in _roster.Devices) device.Finished(1, 1, TimeSpan.FromSeconds(1));
        var shares = new FairShare();
        int queued = 1804; // 4.51 each: 3 are dealt out; of 4.49 it would be 2
        foreach (var device in _roster.Idle)
        {
            int share = shares.Of(device, true, queued, _roster, Now);
            Assert.Equal(3, share);
            shares.Granted(share);
            _roster.Give(device, Grant(queued, ranks: share), Now);
            queued -= share;
        }
    }
}
