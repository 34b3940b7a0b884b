namespace ElasticTrain.Core;

/// <summary>One forward/backward's worth of samples.</summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="SequenceLength">Predicted positions per sequence, T.</param>
/// <param name="Tokens">Token ids, row-major [Rows, T + 1]: position t predicts position t + 1.</param>
/// <param name="LossMask">1 where the prediction of Tokens[row, t + 1] counts, row-major [Rows, T]; null when all count.</param>
public sealed record MicroBatch(int Rows, int SequenceLength, int[] Tokens, byte[]? LossMask);
