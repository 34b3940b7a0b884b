using ElasticTrain.Actors.Devices;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Devices;

public sealed class DeviceGrantsTests
{
    private static readonly ShardRoute[] Routes = [new(new ShardId(0), new ReplicaId(1), "a:1"), new(new ShardId(1), new ReplicaId(2), "b:1")];

    private readonly DeviceGrants _grants = new();

    private static GrantRanks Full(long id, long term = 1) => new(new Term(term), id, new Lineage(new Step(id), default), new RankRange(0, 1), 0, Routes);

    private static GrantRanks Brief(long id, long of, long term = 1) => Full(id, term) with { Routes = [], RoutesOf = of };

    [Fact]
    public void Routes_that_came_with_an_earlier_grant_are_filled_in()
    {
        Assert.Equal(GrantAnswer.Begin, _grants.Offer(Full(1)));
        _grants.Complete([], [], []);
        Assert.Equal(GrantAnswer.Begin, _grants.Offer(Brief(2, of: 1)));
        Assert.Equal(Routes, _grants.Current!.Routes);
        Assert.Equal(2, _grants.Current.GrantId);
    }

    [Theory]
    [InlineData(2, 1)] // another grant's
    [InlineData(1, 2)] // every term counts from 1 again
    public void Routes_that_the_device_does_not_have_are_asked_for(long of, long term)
    {
        _grants.Offer(Full(1));
        _grants.Complete([], [], []);
        var brief = Brief(3, of, term);
        Assert.Equal(GrantAnswer.LackRoutes, _grants.Offer(brief));
        Assert.Null(_grants.Current);
        var refusal = DeviceGrants.WithoutRoutes(brief);
        Assert.Equal((brief.Term, 3, false), (refusal.Term, refusal.GrantId, refusal.Fatal));
        Assert.Equal(GrantAnswer.Begin, _grants.Offer(Full(4, term)));
    }

    [Fact]
    public void A_repeated_result_needs_no_routes()
    {
        _grants.Offer(Full(1));
        _grants.Complete([], [], []);
        Assert.Equal(GrantAnswer.Repeat, _grants.Offer(Brief(1, of: 7)));
    }
}
