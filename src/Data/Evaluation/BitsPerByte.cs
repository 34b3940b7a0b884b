namespace ElasticTrain.Data;

/// <summary>
/// The one definition of bits per byte that every model here is measured by: the total cross-entropy of all predictions that count, those
/// of end-of-document tokens included, in bits, divided by the number of bytes among the predicted tokens, end-of-document tokens not counted.
/// </summary>
public static class BitsPerByte
{
    /// <summary>From a loss summed over all predictions.</summary>
    /// <param name="lossNats">Sum of -ln p over the predictions that count.</param>
    /// <param name="bytes">Bytes among the predicted tokens that count: <see cref="ValidationText.TargetBytes"/>.</param>
    public static double FromLoss(double lossNats, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        return lossNats / (bytes * Math.Log(2));
    }

    /// <summary>From a loss averaged over all predictions.</summary>
    /// <param name="meanLossNats">Mean of -ln p over the predictions that count.</param>
    /// <param name="tokens">How many those are: <see cref="ValidationText.TargetTokens"/>.</param>
    /// <param name="bytes">Bytes among the predicted tokens that count: <see cref="ValidationText.TargetBytes"/>.</param>
    public static double FromMeanLoss(double meanLossNats, long tokens, long bytes) => FromLoss(meanLossNats * tokens, bytes);
}
