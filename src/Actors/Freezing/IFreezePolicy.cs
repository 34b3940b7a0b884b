using ElasticTrain.Core;

namespace ElasticTrain.Actors.Freezing;

/// <summary>What a policy wants. The coordinator journals it as a command, or refuses it.</summary>
/// <param name="CommandId">Made of what was decided and when: decided again, it is the same command.</param>
/// <param name="FrozenPrefix">K + 1 for the embedding and the layers 0 to K; 0 to train everything.</param>
/// <param name="At">From which step on; null: from the first that is possible.</param>
public sealed record FreezeDecision(string CommandId, int FrozenPrefix, Step? At);

/// <summary>What a policy sees of a decided step.</summary>
/// <param name="Step">The step.</param>
/// <param name="FrozenPrefix">The step's frozen prefix.</param>
/// <param name="LearningRate">As applied.</param>
/// <param name="GradientNorms">Of each layer, in order; 0 where it was frozen.</param>
public sealed record StepObservation(Step Step, int FrozenPrefix, double LearningRate, IReadOnlyList<double> GradientNorms)
{
    /// <summary>
    /// How far each layer's activations on the probe batch are from those of the reference snapshot; null in steps without a probe. See <see cref="SimilarityPolicy"/>.
    /// </summary>
    public IReadOnlyList<double>? Plasticity { get; init; }
}

/// <summary>Decides which layers are worth training. Pure but for its own memory of what it has seen, which may be lost: it then decides later.</summary>
public interface IFreezePolicy
{
    /// <summary>Looks at a step.</summary>
    /// <param name="step">Steps come in ascending order; some may be left out.</param>
    /// <returns>What to do now, in order.</returns>
    IReadOnlyList<FreezeDecision> Observe(StepObservation step);
}
