using System.Runtime.Serialization;
using System.Text.Json;
using Akka.Actor;
using Akka.Serialization;
using ElasticTrain.Actors.Shards;

namespace ElasticTrain.Actors.Serialization;

/// <summary>Serialises the closed set of <see cref="Manifests"/> as JSON under explicit manifests.</summary>
public sealed class MessageSerializer : SerializerWithStringManifest
{
    /// <summary>Akka's number for this serialiser; in every journal row.</summary>
    public const int Id = 7001;

    private sealed record EnvelopeContent(string EntityId, string Manifest, JsonElement Message);

    private readonly JsonSerializerOptions _options;

    /// <summary>Made by Akka.</summary>
    public MessageSerializer(ExtendedActorSystem system) : base(system) => _options = JsonFormat.Create(system);

    /// <inheritdoc/>
    public override int Identifier => Id;

    /// <inheritdoc/>
    public override string Manifest(object o) =>
        Manifests.NameOf(o.GetType()) ?? throw new SerializationException($"{o.GetType()} is not among the registered messages.");

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        if (obj is not ShardEnvelope envelope) return JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), _options);
        var content = new EnvelopeContent(
            envelope.EntityId, Manifest(envelope.Message), JsonSerializer.SerializeToElement(envelope.Message, envelope.Message.GetType(), _options));
        return JsonSerializer.SerializeToUtf8Bytes(content, _options);
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (manifest == Manifests.Envelope)
        {
            var content = JsonSerializer.Deserialize<EnvelopeContent>(bytes, _options) ?? throw new SerializationException("An empty envelope.");
            return new ShardEnvelope(content.EntityId, content.Message.Deserialize(TypeOf(content.Manifest), _options)!);
        }
        return JsonSerializer.Deserialize(bytes, TypeOf(manifest), _options) ?? throw new SerializationException($"An empty {manifest}.");
    }

    private static Type TypeOf(string manifest) =>
        Manifests.TypeOf(manifest) ?? throw new SerializationException($"The manifest '{manifest}' is not known to this version.");
}
