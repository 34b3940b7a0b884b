namespace ElasticTrain.Scale;

/// <summary>
/// A run that stops at every failure and goes on from its newest checkpoint, for contrast. Between checkpoints it trains for Young's interval, sqrt(2 C M)
/// (Young 1974; Daly 2006 has the terms of higher order, which do not matter at C far below M): overhead C per interval; a failure costs half an interval and a restart.
/// </summary>
/// <param name="Save">C: seconds for which a checkpoint stops training.</param>
/// <param name="Restart">Seconds from a failure to the first step: noticing, replacing the node, loading, warming up.</param>
internal sealed record CheckpointRestart(double Save, double Restart)
{
    /// <summary>Seconds of training between two checkpoints.</summary>
    public double Interval(double meanTimeBetweenFailures) => Math.Sqrt(2 * Save * meanTimeBetweenFailures);

    /// <summary>Share of the time that is kept.</summary>
    public double Goodput(double meanTimeBetweenFailures)
    {
        double interval = Interval(meanTimeBetweenFailures);
        return interval / (interval + Save) / (1 + ((Restart + (interval / 2)) / meanTimeBetweenFailures));
    }
}

/// <summary>A published rate of failures.</summary>
/// <param name="Name">Where it is from.</param>
/// <param name="PerNodeDay">Failures of a node of eight devices per day.</param>
internal sealed record FailureRate(string Name, double PerNodeDay)
{
    /// <summary>Meta, "The Llama 3 Herd of Models", arXiv:2407.21783, section 3.3.4: 419 unexpected interruptions in 54 days on 16,384 H100.</summary>
    public static readonly FailureRate Llama3 = new("Llama 3", 419.0 / 54 / (16384 / 8));

    /// <summary>Kokolis et al., "Revisiting Reliability in Large-Scale Machine Learning Research Clusters", arXiv:2410.21680: 6.50 failures per 1,000 node-days on RSC-1 (A100).</summary>
    public static readonly FailureRate Rsc1 = new("RSC-1", 6.50e-3);

    /// <summary>Seconds between failures of a cluster.</summary>
    public double MeanTimeBetween(int devices) => 86400 / (PerNodeDay * devices / Scenario.DevicesPerNode);
}
