namespace ElasticTrain.Actors.Decisions;

/// <summary>
/// Balancing without an auxiliary loss: after each step the bias of an overloaded expert falls and that of an underloaded one rises by a
/// fixed amount. Source: DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, section 2.1.2.
/// </summary>
public static class RouterBias
{
    /// <summary>bias_i += speed x sign(mean of the counts - count_i), the sign taken in whole numbers.</summary>
    /// <param name="bias">The routing biases of one layer, one for each expert.</param>
    /// <param name="counts">Tokens routed to each expert in the step, over all ranks.</param>
    /// <param name="speed">The report's gamma.</param>
    /// <exception cref="ArgumentException">Not one count for each expert.</exception>
    public static void Move(Span<float> bias, ReadOnlySpan<long> counts, float speed)
    {
        if (bias.Length != counts.Length)
            throw new ArgumentException($"{bias.Length} experts need as many counts, found {counts.Length}.", nameof(counts));
        Int128 total = 0;
        foreach (long count in counts) total += count;
        for (int i = 0; i < bias.Length; i++)
        {
            int load = ((Int128)counts[i] * counts.Length).CompareTo(total);
            if (load < 0) bias[i] += speed;
            else if (load > 0) bias[i] -= speed;
        }
    }
}
