namespace ElasticTrain.Model;

/// <summary>How a token's affinity to the experts comes from the router's logits.</summary>
public enum ScoringFunc
{
    /// <summary>Each expert by itself (V3 report, equation 15).</summary>
    Sigmoid,

    /// <summary>All experts together (DeepSeek-V2, equation 22).</summary>
    Softmax,
}

/// <summary>How a token's experts are selected.</summary>
public enum TopkMethod
{
    /// <summary>By affinity plus bias, in the groups whose two best experts have the largest sum (V3 report, section 2.1.2).</summary>
    NoauxTc,

    /// <summary>By affinity.</summary>
    Greedy,

    /// <summary>By affinity, in the groups with the best single expert (DeepSeek-V2, section 2.2.2).</summary>
    GroupLimitedGreedy,
}

/// <summary>Which hidden state of the main model the multi-token prediction module takes; the report leaves it open.</summary>
public enum MtpInput
{
    /// <summary>The one behind the final norm.</summary>
    Normed,

    /// <summary>The residual stream before the final norm.</summary>
    Raw,
}
