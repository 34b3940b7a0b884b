namespace ElasticTrain.Simulation.Tests.Faults;

/// <summary>A part that breaks a rule on purpose, to see that it is noticed.</summary>
public enum Sabotage
{
    /// <summary>None.</summary>
    None,

    /// <summary>The journal takes a number twice: an old writer goes on beside a new one.</summary>
    JournalTakesAnything,

    /// <summary>The journal forgets a step that it has confirmed.</summary>
    JournalForgets,

    /// <summary>A device computes another gradient.</summary>
    WrongGradient,

    /// <summary>A device counts a rank twice.</summary>
    RankCountedTwice,

    /// <summary>A replica's bits change, and nobody was told that they would.</summary>
    WrongState,

    /// <summary>The journal forgets seals, and the storage gives out checkpoints without one.</summary>
    UnsealedCheckpoint,

    /// <summary>Devices never answer.</summary>
    SilentDevices,

    /// <summary>A node has another plan.</summary>
    ForeignNode,
}
