using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>A connection could not be made or broke. Everything outstanding on it fails with this; whether the peer took it is unknown.</summary>
/// <param name="message">Which peer, and what happened.</param>
/// <param name="inner">The cause.</param>
public sealed class DataPlaneConnectionException(string message, Exception? inner = null) : ElasticTrainException(message, inner);

/// <summary>The peer will not do what was asked. A handler throws it to refuse; its reason travels back to the client, which throws it again.</summary>
/// <param name="reason">Why, for the user: what was found and what was expected.</param>
/// <param name="kind">Whether to ask again.</param>
public sealed class DataPlaneRefusedException(string reason, RefusalKind kind = RefusalKind.Retriable) : ElasticTrainException(reason)
{
    /// <summary>Whether to ask again.</summary>
    public RefusalKind Kind { get; } = kind;

    /// <summary>Why.</summary>
    public string Reason { get; } = reason;
}
