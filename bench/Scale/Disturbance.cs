namespace ElasticTrain.Scale;

/// <summary>What failures cost a run that goes on through them.</summary>
internal sealed record Disturbance
{
    public required Scenario Scenario { get; init; }

    /// <summary>Virtual seconds of a step with one node missing.</summary>
    public required double StepSecondsWithoutNode { get; init; }

    /// <summary>Committed steps of the disturbed run, and those of an undisturbed one in the same time.</summary>
    public required (double Committed, double Undisturbed, TimeSpan Time) Disturbed { get; init; }

    /// <summary>Virtual seconds from a failure until every shard has all its replicas again: a second failure in this time may lose shards.</summary>
    public required double RepairSeconds { get; init; }

    /// <summary>Virtual seconds from a coordinator's death to its successor's first grant, and handler seconds of the successor until then.</summary>
    public required (double Seconds, double HandlerSeconds) TakeOver { get; init; }

    public double Goodput => Disturbed.Committed / Disturbed.Undisturbed;

    /// <summary>Seconds of a run that one failure costs, until everything is as before.</summary>
    public double SecondsPerFailure => Disturbed.Time.TotalSeconds * (1 - Goodput) / Scenario.Failures;

    /// <summary>Measures it.</summary>
    /// <param name="scenario">The size.</param>
    /// <param name="step">Virtual seconds of an undisturbed step.</param>
    public static Disturbance Take(Scenario scenario, double step)
    {
        var smaller = new Cluster(scenario with { MissingNodes = 1 });
        smaller.WarmUp();
        var begin = smaller.Time.Now;
        smaller.RunTo(smaller.DecidedAt.Count + scenario.Steps);
        double without = (smaller.Time.Now - begin).TotalSeconds / scenario.Steps;

        var rough = new Cluster(scenario);
        rough.WarmUp();
        int warm = rough.DecidedAt.Count;
        begin = rough.Time.Now;
        double repairs = 0;
        for (int failure = 0; failure < scenario.Failures; failure++)
        {
            // The next one comes when all is as before: at published rates two at once are rare.
            rough.PlanFailure(TimeSpan.FromSeconds(step), isSilent: failure % 2 == 1);
            var failed = rough.Time.Now;
            bool isNoticed = false;
            double? whole = null;
            while (whole is null || rough.Time.Now - failed < scenario.ReplacedAfter + TimeSpan.FromSeconds(5 * step))
            {
                rough.RunTo(rough.DecidedAt.Count + 1);
                isNoticed |= !rough.IsWhole;
                if (isNoticed && rough.IsWhole) whole ??= (rough.Time.Now - failed).TotalSeconds;
            }
            repairs += whole.Value / scenario.Failures;
        }
        var time = rough.Time.Now - begin;
        int committed = rough.DecidedAt.Count - warm;
        rough.FailOver();
        rough.RunTo(rough.DecidedAt.Count + 2);
        return new Disturbance
        {
            Scenario = scenario,
            StepSecondsWithoutNode = without,
            RepairSeconds = repairs,
            Disturbed = (committed, time.TotalSeconds / step, time),
            TakeOver = ((rough.Office.FirstGrant!.Value.At - rough.FailedOverAt!.Value).TotalSeconds, rough.Office.FirstGrant.Value.HandlerSeconds),
        };
    }
}
