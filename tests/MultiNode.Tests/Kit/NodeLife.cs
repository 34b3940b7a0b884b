using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>What the conductor knows of one process.</summary>
internal sealed class NodeLife(Role role, int number, ProcessUnderTest process)
{
    public Role Role { get; } = role;

    public int Number { get; } = number;

    public ProcessUnderTest Process { get; } = process;

    public LineConnection? Connection { get; set; }

    public string? Address { get; set; }

    /// <summary>Whether a starting node may join through it: not through a role that only conducts, whose actor system has no remoting and so no host.</summary>
    public bool CanBeJoined => !HasEnded && Address is { } address && Akka.Actor.Address.Parse(address).HasGlobalScope;

    /// <summary>The result of its spec code, once that has ended.</summary>
    public SpecResult? Result { get; set; }

    /// <summary>Its end was asked for.</summary>
    public bool MayEnd { get; set; }

    public bool HasEnded { get; set; }

    public bool IsStopped { get; set; }

    /// <summary>The last barrier it entered.</summary>
    public string? LastBarrier { get; set; }

    /// <summary>Whether its code may still enter a barrier.</summary>
    public bool IsPlaying => !HasEnded && !MayEnd && Result is null;

    /// <summary>Where it stands, for a message.</summary>
    public string Where => HasEnded ? "ended" : Result is not null ? "done" : IsStopped ? "stopped" : Address is null ? "starting"
        : LastBarrier is null ? "before the first barrier" : $"at or after barrier '{LastBarrier}'";

    public override string ToString() => Number == 1 ? Role.Name : $"{Role.Name} (life {Number})";
}
