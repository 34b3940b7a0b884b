using System.Runtime.Serialization;
using Akka.Actor;
using ElasticTrain.Actors.Serialization;
using ElasticTrain.Actors.Shards;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Serialization;

public sealed class MessageSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serialization");
    private readonly MessageSerializer _serializer;

    public MessageSerializerTests() => _serializer = new MessageSerializer((ExtendedActorSystem)_system);

    public void Dispose() => _system.Dispose();

    private object RoundTrip(object message) => _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));

    [Fact]
    public void Every_registered_message_survives_to_the_last_bit()
    {
        var samples = new SampleMessages(_system.DeadLetters);
        Assert.Equal(Manifests.RegisteredTypes.Order(TypeNames), samples.All.Select(m => m.GetType()).Distinct().Order(TypeNames));
        foreach (object message in samples.All) Same.Require(message, RoundTrip(message), message.GetType().Name);
    }

    [Theory]
    [InlineData(-0.0f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    [InlineData(float.Epsilon)]
    [InlineData(float.MaxValue)]
    [InlineData(1.17549421e-38f)]
    [InlineData(0.1f)]
    public void Fp32_values_keep_their_bits(float value)
    {
        var commit = Runs.Sample.Commit(1) with { GradientNorm = value, LearningRate = value };
        Same.Require(commit, RoundTrip(commit));
    }

    [Fact]
    public void Losses_beside_the_main_one_are_in_the_journal_of_a_model_that_has_them_alone()
    {
        var plain = Runs.Sample.Commit(1);
        var full = plain with { MtpLoss = 2.5f, BalanceLoss = float.NaN };
        Same.Require(full, RoundTrip(full));
        string text = System.Text.Encoding.UTF8.GetString(_serializer.ToBinary(plain));
        Assert.DoesNotContain("mtp", text, StringComparison.OrdinalIgnoreCase); // as in journals from before
        Assert.DoesNotContain("balance", text, StringComparison.OrdinalIgnoreCase);
        Same.Require(plain, RoundTrip(plain));
    }

    [Theory]
    [InlineData(-0.0)]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.Epsilon)]
    [InlineData(double.MaxValue)]
    [InlineData(0.1)]
    public void Fp64_values_keep_their_bits(double value)
    {
        var seal = new GradientSealed(new ShardId(1), new ReplicaId(2), Runs.Sample.Version(3), value, false, UInt128.MaxValue);
        Same.Require(seal, RoundTrip(seal));
    }

    [Fact]
    public void Whole_numbers_keep_all_their_digits()
    {
        var applied = new StepApplied(new ShardId(int.MaxValue), new ReplicaId(int.MaxValue), Runs.Sample.Version(long.MaxValue), ulong.MaxValue);
        Same.Require(applied, RoundTrip(applied));
        var seal = new GradientSealed(new ShardId(0), new ReplicaId(0), Runs.Sample.Version(0), 0, true, UInt128.One);
        Same.Require(seal, RoundTrip(seal));
    }

    [Fact]
    public void An_envelope_carries_any_other_message()
    {
        foreach (object message in new SampleMessages(_system.DeadLetters).All.Where(m => m is not ShardEnvelope))
        {
            var envelope = new ShardEnvelope("1~2@akka.tcp://elastictrain@127.0.0.1:4001#5", message);
            Same.Require(envelope, RoundTrip(envelope));
        }
    }

    [Fact]
    public void References_to_actors_arrive_as_the_same_actors()
    {
        var actor = _system.ActorOf(Props.Empty, "someone");
        var ready = (ReplicaReady)RoundTrip(new ReplicaReady(new ShardId(1), new ReplicaId(2), Runs.Sample.Version(3), actor));
        Assert.Equal(actor, ready.Actor);
    }

    [Fact]
    public void A_message_that_is_not_registered_is_refused_at_the_sender()
    {
        Assert.Contains("Uri", Assert.Throws<SerializationException>(() => _serializer.Manifest(new Uri("http://a"))).Message, StringComparison.Ordinal);
        Assert.Throws<SerializationException>(() => _serializer.ToBinary(new ShardEnvelope("x", new Uri("http://a"))));
    }

    [Fact]
    public void A_manifest_that_this_version_does_not_know_is_refused_by_name()
    {
        Assert.Contains("step-committed/9", Assert.Throws<SerializationException>(() => _serializer.FromBinary("{}"u8.ToArray(), "step-committed/9")).Message, StringComparison.Ordinal);
        Assert.Contains("nothing/1", Assert.Throws<SerializationException>(() => _serializer.FromBinary(
            """{"entityId":"x","manifest":"nothing/1","message":{}}"""u8.ToArray(), Manifests.Envelope)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Manifests_are_unique_and_carry_a_version()
    {
        var types = Manifests.RegisteredTypes.ToList();
        var names = types.Select(t => Manifests.NameOf(t)!).ToList();
        Assert.Equal(types.Count, names.Distinct().Count());
        Assert.All(names, name => Assert.Matches("^[a-z]+(-[a-z]+)*/[1-9][0-9]*$", name));
        Assert.All(types, type => Assert.Equal(type, Manifests.TypeOf(Manifests.NameOf(type)!)));
    }

    private static Comparer<Type> TypeNames => Comparer<Type>.Create((a, b) => string.CompareOrdinal(a.FullName, b.FullName));
}
