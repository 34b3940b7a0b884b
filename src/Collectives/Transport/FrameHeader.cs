using ElasticTrain.Core;

namespace ElasticTrain.Collectives;

/// <summary>What a frame says. The values are part of the protocol.</summary>
public enum FrameKind : byte
{
    /// <summary>First frame in both directions: protocol version and run id.</summary>
    Hello = 1,

    /// <summary>Client to server: the summed gradient of a block of ranks for one shard.</summary>
    Contribution = 2,

    /// <summary>Client to server: a block of ranks that missed the shard; no payload.</summary>
    Marker = 3,

    /// <summary>Client to server: wants the parameters of a shard at a lineage; no payload.</summary>
    Pull = 4,

    /// <summary>Server to client: the values that a pull of any kind asked for.</summary>
    Values = 5,

    /// <summary>Server to client: a contribution or marker was taken; no payload.</summary>
    Ack = 6,

    /// <summary>Either way: no, and why. The payload is UTF-8 text. With request id 0 the whole connection is refused.</summary>
    Refused = 7,

    /// <summary>Client to server: the pull with this request id is not wanted any more; no payload, no answer.</summary>
    Cancel = 8,

    /// <summary>Client to server: wants a shard's parameters, first and second moments, of whatever version is there; no payload. The answer names the version.</summary>
    PullState = 9,

    /// <summary>Client to server: wants the complete sum of a shard's gradient for the step that starts from a lineage; no payload.</summary>
    PullGradient = 10,
}

/// <summary>The type of a payload's elements. The values are part of the protocol; this version sends and takes <see cref="Float32"/> only.</summary>
public enum ElementType : byte
{
    /// <summary>Text or nothing.</summary>
    None = 0,

    /// <summary>IEEE binary32, little-endian.</summary>
    Float32 = 1,

    /// <summary>bfloat16; reserved.</summary>
    BFloat16 = 2,

    /// <summary>IEEE binary16; reserved.</summary>
    Float16 = 3,

    /// <summary>IEEE binary64; reserved.</summary>
    Float64 = 4,
}

/// <summary>Of what kind a refusal is: whether to ask again. The values are part of the protocol.</summary>
public enum RefusalKind : byte
{
    /// <summary>Not here, or not now: another try, later or elsewhere, may succeed.</summary>
    Retriable = 0,

    /// <summary>The same ranks were contributed with other values: somebody's data are corrupt.</summary>
    Mismatch = 1,

    /// <summary>No node would ever take this request.</summary>
    Invalid = 2,
}

/// <summary>The header of a data-plane frame; see <see cref="FrameCodec"/> for its bytes.</summary>
/// <param name="Kind">What the frame says.</param>
/// <param name="RequestId">Chosen by the client, unique among its outstanding requests; the answer carries the same. 0 concerns the connection.</param>
/// <param name="Run">The run; checked on every frame.</param>
/// <param name="Lineage">Contribution, Marker: the version of the parameters that the gradient was computed from. Pull, Values: the version wanted or sent. PullGradient: the version that the step starts from.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Replica">The replica of the shard that the frame is for.</param>
/// <param name="Block">Contribution, Marker: the ranks.</param>
/// <param name="ElementType">Type of the payload's elements.</param>
/// <param name="PayloadLength">Bytes that follow the header.</param>
/// <param name="PayloadDigest">XxHash128 of the payload.</param>
/// <param name="Refusal">Refused: whether to ask again.</param>
/// <param name="Attempt">Contribution, Marker, PullGradient: the attempt at the step.</param>
public readonly record struct FrameHeader(
    FrameKind Kind,
    ulong RequestId,
    RunId Run,
    Lineage Lineage,
    ShardId Shard,
    ReplicaId Replica,
    RankRange Block,
    ElementType ElementType,
    long PayloadLength,
    UInt128 PayloadDigest,
    RefusalKind Refusal = RefusalKind.Retriable,
    Attempt Attempt = default);
