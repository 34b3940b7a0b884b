using System.Globalization;

namespace ElasticTrain.Scale;

/// <summary>Tables as they stand in docs/scale.md.</summary>
internal static class Report
{
    private static readonly CheckpointRestart Stopping = new(Save: 30, Restart: 300);

    public static void Print(IReadOnlyList<Measurement> all)
    {
        Line("");
        Line("| devices | step, s | messages per step | MB in / out per step | events, bytes per step | coordinator ms per step | share of the step | serialiser ms per step |");
        Line("| --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var m in all)
        {
            double steps = m.Scenario.Steps;
            var messages = m.Kinds.Where(k => k.Value.Sample is not null && !Measurement.IsEvent(k.Key)).Select(k => k.Value).ToList();
            double eventBytes = m.Kinds.Where(k => k.Value.Sample is not null && Measurement.IsEvent(k.Key)).Sum(k => k.Value.Sent * k.Value.Sample!.Bytes) / steps;
            Line($"| {m.Scenario.Devices:#,0} | {m.StepSeconds:0.00} | {m.MessagesPerStep:#,0} | {messages.Sum(t => t.Received * t.Sample!.Bytes) / steps / 1e6:#,0.0} / {messages.Sum(t => t.Sent * t.Sample!.Bytes) / steps / 1e6:#,0.0} | {m.EventsPerStep:0.00}, {eventBytes:0} | {1000 * m.HandlerSeconds:#,0.0} | {m.HandlerSeconds / m.StepSeconds:0.00 %} | {1000 * messages.Sum(t => (t.Sent * t.Sample!.Write) + (t.Received * t.Sample.Read)) / steps:#,0} |");
        }
        if (all.All(m => m.Disturbance is null)) return;
        Line("");
        Line("| devices | step without one node | goodput under failures, accelerated | lost per failure, s | whole again after, s | coordinator's take-over, s + handlers | goodput, Llama 3 rate (every h) | stop and restart | goodput, RSC-1 rate (every h) | stop and restart |");
        Line("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var m in all.Select(m => (m.Scenario, m.StepSeconds, Cost: m.Disturbance!)))
        {
            string At(FailureRate rate)
            {
                double between = rate.MeanTimeBetween(m.Scenario.Devices);
                return string.Create(CultureInfo.InvariantCulture, $"{1 / (1 + (m.Cost.SecondsPerFailure / between)):0.00 %} ({between / 3600:0.0}) | {Stopping.Goodput(between):0.0 %}");
            }

            Line($"| {m.Scenario.Devices:#,0} | {m.Cost.StepSecondsWithoutNode / m.StepSeconds:0.000} | {m.Cost.Goodput:0.000} ({m.Scenario.Failures} in {m.Cost.Disturbed.Time.TotalMinutes:0.0} min) | {m.Cost.SecondsPerFailure:0.0} | {m.Cost.RepairSeconds:0} | {m.Cost.TakeOver.Seconds:0.00} + {m.Cost.TakeOver.HandlerSeconds:0.00} | {At(FailureRate.Llama3)} | {At(FailureRate.Rsc1)} |");
        }
    }

    /// <summary>Where the messages and the time of one size come from.</summary>
    public static void PrintProfile(Measurement m)
    {
        double steps = m.Scenario.Steps;
        Line("");
        Line($"Per step with {m.Scenario.Devices:#,0} devices:");
        Line("");
        Line("| kind | to the coordinator | from it | bytes each | handler ms | serialiser ms |");
        Line("| --- | --- | --- | --- | --- | --- |");
        foreach (var (kind, t) in m.Kinds.OrderByDescending(k => k.Value.HandlerTicks).ThenByDescending(k => k.Value.Sent))
            Line($"| {kind} | {t.Received / steps:#,0.##} | {t.Sent / steps:#,0.##} | {t.Sample?.Bytes:#,0} | {1000 * t.HandlerSeconds / steps:#,0.00} | {(t.Sample is { } s ? 1000 * ((t.Sent * s.Write) + (t.Received * s.Read)) / steps : 0):#,0.0} |");
    }

    public static void Line(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    public static void Line(string text) => Console.WriteLine(text);
}
