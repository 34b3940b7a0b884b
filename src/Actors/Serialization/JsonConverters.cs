using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Akka.Actor;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Serialization;

/// <summary>How the project's ids, digests and actor references look in JSON: in the journal, between nodes, and in command output.</summary>
public static class JsonFormat
{
    /// <summary>Options for everything that holds no actor reference.</summary>
    public static readonly JsonSerializerOptions Options = Create(null);

    /// <summary>Options for messages between nodes.</summary>
    /// <param name="system">Resolves actor references; null where none can occur.</param>
    public static JsonSerializerOptions Create(ExtendedActorSystem? system)
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web) { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };
        options.Converters.Add(Number(v => new Step(v), s => s.Value));
        options.Converters.Add(Number(v => new Term(v), t => t.Value));
        options.Converters.Add(Number(v => new Attempt(v), a => a.Value));
        options.Converters.Add(Number(v => new RankId((int)v), r => r.Value));
        options.Converters.Add(Number(v => new ShardId((int)v), s => s.Value));
        options.Converters.Add(Number(v => new ReplicaId((int)v), r => r.Value));
        options.Converters.Add(Text(Digest256.Parse, d => d.ToString()));
        options.Converters.Add(Text(t => new RunId(Guid.Parse(t)), r => r.ToString()));
        options.Converters.Add(Text(t => UInt128.Parse(t, NumberStyles.HexNumber, CultureInfo.InvariantCulture), v => v.ToString("x32", CultureInfo.InvariantCulture)));
        if (system is not null) options.Converters.Add(new ActorRefConverter(system));
        return options;
    }

    private static NumberConverter<T> Number<T>(Func<long, T> read, Func<T, long> write) => new(read, write);

    private static TextConverter<T> Text<T>(Func<string, T> read, Func<T, string> write) => new(read, write);

    private sealed class NumberConverter<T>(Func<long, T> read, Func<T, long> write) : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => read(reader.GetInt64());

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteNumberValue(write(value));
    }

    private sealed class TextConverter<T>(Func<string, T> read, Func<T, string> write) : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => read(reader.GetString() ?? "");

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(write(value));
    }

    private sealed class ActorRefConverter(ExtendedActorSystem system) : JsonConverter<IActorRef>
    {
        public override bool CanConvert(Type typeToConvert) => typeof(IActorRef).IsAssignableFrom(typeToConvert);

        public override IActorRef Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            system.Provider.ResolveActorRef(reader.GetString() ?? "");

        public override void Write(Utf8JsonWriter writer, IActorRef value, JsonSerializerOptions options) =>
            writer.WriteStringValue(Akka.Serialization.Serialization.SerializedActorPath(value));
    }
}
