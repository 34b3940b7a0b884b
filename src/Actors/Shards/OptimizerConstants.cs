namespace ElasticTrain.Actors.Shards;

/// <summary>What the optimizer's kernel needs besides a step's decision; fixed by the plan.</summary>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="BiasUpdateSpeed">Step of the routers' balancing biases.</param>
public sealed record OptimizerConstants(float Beta1, float Beta2, float Epsilon, float BiasUpdateSpeed);
