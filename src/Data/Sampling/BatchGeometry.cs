using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>How the constant global batch is cut. None of the numbers depends on how many devices there are.</summary>
/// <param name="VirtualRanks">V, the virtual world size.</param>
/// <param name="GradientAccumulationSteps">Micro-batches that one rank runs one after another in a step.</param>
/// <param name="MicroBatchSize">Rows of one forward/backward.</param>
/// <param name="SequenceLength">Predicted positions per row, T.</param>
public sealed record BatchGeometry(int VirtualRanks, int GradientAccumulationSteps, int MicroBatchSize, int SequenceLength)
{
    /// <summary>Rows of one step: VirtualRanks x GradientAccumulationSteps x MicroBatchSize.</summary>
    public int TrainBatchSize => checked(VirtualRanks * GradientAccumulationSteps * MicroBatchSize);

    /// <summary>Throws unless every number is at least 1.</summary>
    /// <exception cref="BadInputException">Names the number that is not.</exception>
    public void Validate()
    {
        Check(VirtualRanks, "virtual ranks");
        Check(GradientAccumulationSteps, "gradient accumulation steps");
        Check(MicroBatchSize, "micro-batch size");
        Check(SequenceLength, "sequence length");

        static void Check(int value, string name)
        {
            if (value < 1) throw new BadInputException($"batch: {name}", $"{value}", "at least 1");
        }
    }
}
