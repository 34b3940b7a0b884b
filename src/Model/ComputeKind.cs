namespace ElasticTrain.Model;

/// <summary>
/// Number formats of what is multiplied in the forward and backward pass. Weights, gradients, sums, activations between products, norms, softmax and the router
/// are fp32 in all of them (mixed precision after Micikevicius et al., arXiv:1710.03740, with the format of Kalamkar et al., arXiv:1905.12322).
/// </summary>
public enum ComputeKind
{
    /// <summary>IEEE single precision.</summary>
    Fp32,

    /// <summary>The upper half of single precision: both sides of every product are rounded to 8 significant bits, to nearest even.</summary>
    Bf16,
}
