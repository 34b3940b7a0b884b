using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Network;

/// <summary>What the blocks of one forward and backward pass share.</summary>
/// <param name="Parameters">The weights.</param>
/// <param name="Gradients">Where weight gradients are added; of no meaning in a pass that only goes forward.</param>
/// <param name="Rows">Sequences in the micro-batch, B.</param>
/// <param name="Length">Positions per sequence, T.</param>
/// <param name="Rotary">Angles of at least T positions.</param>
internal sealed record Pass(FlatMemory Parameters, FlatMemory Gradients, int Rows, int Length, RotaryTable Rotary)
{
    /// <summary>A sequence's share of all sequences of the step, for losses that count by sequence.</summary>
    internal double SequenceWeight { get; init; }

    /// <summary>Whether backward computes each layer's forward pass again instead of keeping what it left.</summary>
    internal bool Recompute { get; init; }

    /// <summary>Told which parameters the pass needs when; null where all of them are in memory.</summary>
    internal IParameterResidency? Residency { get; init; }

    /// <summary>The products of decoding, which take the place of training's; null in training.</summary>
    internal DecodingProducts? Decoding { get; init; }

    /// <summary>Where losses beside the main one are added up.</summary>
    internal SideLosses Side { get; init; } = new();

    /// <summary>Tokens in the micro-batch, N = B T.</summary>
    internal int Tokens => Rows * Length;

    /// <summary>Returns when the parameters of a segment are in memory; those of the segment entered before may go.</summary>
    internal void Enter(int segment) => Residency?.Enter(segment);
}
