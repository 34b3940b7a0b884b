using Akka.Actor;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Shards;

public sealed class ReplicaEntityIdTests
{
    [Theory]
    [InlineData(0, 0, "akka.tcp://elastictrain@127.0.0.1:4001", 0)]
    [InlineData(117, 2_000_000_000, "akka.tcp://elastictrain@[::1]:4001", int.MinValue)]
    [InlineData(3, 9, "akka.tcp://elastictrain@node-1.example.org:25520", -77)]
    public void A_name_reads_back_as_what_it_names(int shard, int replica, string address, int uid)
    {
        var id = ReplicaEntityId.Of(new ReplicaPlacement(new ShardId(shard), new ReplicaId(replica), new NodeId("n", address, uid)));
        Assert.Equal(id, ReplicaEntityId.Parse(id.ToString()));
        Assert.Equal((shard, replica, address, uid), (id.Shard.Value, id.Replica.Value, id.Address, id.Uid));
    }

    [Theory]
    [InlineData("")]
    [InlineData("3")]
    [InlineData("~1@a#2")]
    [InlineData("3~1@a")]
    [InlineData("3~x@a#2")]
    [InlineData("3~1#2@a")]
    [InlineData("3~1@a#")]
    public void Another_text_is_refused(string text) => Assert.Throws<FormatException>(() => ReplicaEntityId.Parse(text));

    [Fact]
    public void Two_lives_of_a_node_have_two_names()
    {
        var placement = new ReplicaPlacement(new ShardId(1), new ReplicaId(2), Runs.Sample.Node(1));
        Assert.NotEqual(
            ReplicaEntityId.Of(placement).ToString(), ReplicaEntityId.Of(placement with { Node = placement.Node with { Uid = 8 } }).ToString());
    }

    [Fact]
    public void The_envelope_names_entity_and_shard_and_nothing_else_has_a_name()
    {
        var extractor = new ReplicaMessageExtractor();
        var envelope = new ShardEnvelope("1~2@a#3", new StopReplica(new Term(1)));
        Assert.Equal(("1~2@a#3", "1~2@a#3"), (extractor.EntityId(envelope), extractor.ShardId(envelope)));
        Assert.Same(envelope.Message, extractor.EntityMessage(envelope));
        Assert.Null(extractor.EntityId("hello"));
        Assert.Null(extractor.EntityMessage(new StopReplica(new Term(1))));
    }
}
