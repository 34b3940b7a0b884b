namespace ElasticTrain.Scale;

/// <summary>What was found for one number of devices.</summary>
internal sealed record Measurement
{
    public required Scenario Scenario { get; init; }

    /// <summary>Virtual seconds of an undisturbed step.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Seconds of the coordinator's handlers per undisturbed step.</summary>
    public required double HandlerSeconds { get; init; }

    /// <summary>Per kind of the undisturbed run.</summary>
    public required IReadOnlyDictionary<string, Tally> Kinds { get; init; }

    /// <summary>What failures cost; null where that was not asked for.</summary>
    public Disturbance? Disturbance { get; private init; }

    public double MessagesPerStep => Kinds.Where(k => IsMessage(k.Value)).Sum(k => k.Value.Sent + k.Value.Received) / (double)Scenario.Steps;

    public double EventsPerStep => Kinds.Where(k => IsEvent(k.Key)).Sum(k => k.Value.Sent) / (double)Scenario.Steps;

    /// <summary>Measures one size.</summary>
    /// <param name="scenario">The size.</param>
    /// <param name="isDisturbed">Whether failures are measured as well.</param>
    public static Measurement Take(Scenario scenario, bool isDisturbed)
    {
        var calm = new Cluster(scenario);
        calm.WarmUp();
        calm.Traffic.Reset();
        double before = calm.Office.HandlerSeconds;
        var begin = calm.Time.Now;
        calm.RunTo(calm.DecidedAt.Count + scenario.Steps);
        double handlers = (calm.Office.HandlerSeconds - before) / scenario.Steps, step = (calm.Time.Now - begin).TotalSeconds / scenario.Steps;
        calm.Traffic.TakeSamples();
        var kinds = calm.Traffic.Kinds;

        return new Measurement
        {
            Scenario = scenario,
            StepSeconds = step,
            HandlerSeconds = handlers,
            Kinds = kinds,
            Disturbance = isDisturbed ? Disturbance.Take(scenario, step) : null,
        };
    }

    public static bool IsEvent(string kind) => typeof(Actors.Runs.IRunEvent).Assembly.GetType($"ElasticTrain.Actors.Runs.{kind}") is { } type && type.IsAssignableTo(typeof(Actors.Runs.IRunEvent));

    private bool IsMessage(Tally tally) => tally.Sent + tally.Received > 0 && !Kinds.Any(k => k.Value == tally && IsEvent(k.Key));
}
