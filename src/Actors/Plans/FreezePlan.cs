using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>Who decides, beside people, which layers are frozen.</summary>
public enum FreezePolicyKind
{
    /// <summary>Nobody.</summary>
    None,

    /// <summary>A list of steps in the plan.</summary>
    Schedule,

    /// <summary>The layers' gradient norms, where they have stopped changing.</summary>
    Plateau,

    /// <summary>The layers' activations on a fixed batch, where they have stopped moving away from those of an earlier snapshot.</summary>
    Similarity,
}

/// <summary>A line of a freeze schedule.</summary>
/// <param name="Step">From which step on.</param>
/// <param name="FrozenPrefix">K + 1 for the embedding and the layers 0 to K, 0 for none.</param>
public sealed record FreezeScheduleEntry(Step Step, int FrozenPrefix);

/// <summary>
/// The policy that freezes layers. It sends commands like any operator, and those are in the journal: the policy itself decides no bit, and is no part of the plan's hash.
/// </summary>
/// <param name="Policy">Which.</param>
/// <param name="DropMoments">Whether frozen shards lose their moments.</param>
/// <param name="Schedule">For the schedule: steps in ascending order.</param>
/// <param name="Window">For plateau: steps that a norm is averaged over. For similarity: snapshots that the slope is fitted to.</param>
/// <param name="Threshold">Relative change below which a layer stands still.</param>
/// <param name="Patience">How many times in a row it must stand still.</param>
/// <param name="KeepLast">So many of the last layers are never frozen.</param>
/// <param name="Every">For similarity: steps between two looks at the newest checkpoint.</param>
/// <param name="ProbeRows">For similarity: sequences of held-out text in the batch.</param>
/// <param name="ThawRatio">For similarity: everything is thawed when the learning rate has fallen to this share of what it was at the freeze; 0: never.</param>
public sealed record FreezePlan(
    FreezePolicyKind Policy, bool DropMoments, IReadOnlyList<FreezeScheduleEntry> Schedule, int Window, double Threshold, int Patience, int KeepLast, long Every,
    int ProbeRows, double ThawRatio)
{
    /// <summary>No policy.</summary>
    public static readonly FreezePlan None = new(FreezePolicyKind.None, false, [], 50, 0.05, 2, 1, 100, 8, 0.1);

    /// <inheritdoc/>
    public bool Equals(FreezePlan? other) =>
        other is not null && Policy == other.Policy && DropMoments == other.DropMoments && Schedule.SequenceEqual(other.Schedule) && Window == other.Window
        && Threshold.Equals(other.Threshold) && Patience == other.Patience && KeepLast == other.KeepLast && Every == other.Every && ProbeRows == other.ProbeRows
        && ThawRatio.Equals(other.ThawRatio);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Policy, Window, Threshold, Patience, KeepLast, Every);

    /// <summary>Reads the section; an absent one is no policy.</summary>
    internal static FreezePlan Bind(PlanReader section)
    {
        var plan = new FreezePlan(
            section.Choice("policy", None.Policy, Words.FreezePolicies), section.Choice("moments", None.DropMoments, Words.Moments), Entries(section),
            section.Int("window", None.Window, 2), section.Number("threshold", None.Threshold, value => value > 0, "a number above 0"), section.Int("patience", None.Patience, 1),
            section.Int("keep-last", None.KeepLast, 1), section.Long("every", None.Every, 1), section.Int("probe-rows", None.ProbeRows, 2, 1 << 10),
            section.Number("thaw-ratio", None.ThawRatio, value => value is >= 0 and < 1, "a number from 0 to below 1 (0: never)"));
        section.Close();
        if (plan.Policy == FreezePolicyKind.Schedule && plan.Schedule.Count == 0 && !section.Has("schedule"))
            section.Wrong("schedule", "nothing", "a list: schedule = [ { step = 100, layers = 0-1 } ]");
        return plan;
    }

    /// <summary>The section as HOCON.</summary>
    internal string ToHocon()
    {
        string schedule = string.Join(", ", Schedule.Select(entry => FormattableString.Invariant($"{{ step = {entry.Step}, layers = {Layers(entry.FrozenPrefix)} }}")));
        return string.Create(CultureInfo.InvariantCulture,
            $"freeze {{ policy = {Words.Of(Words.FreezePolicies, Policy)}, moments = {Words.Of(Words.Moments, DropMoments)}{(Schedule.Count > 0 ? $", schedule = [ {schedule} ]" : "")}, window = {Window}, threshold = {Threshold:R}, patience = {Patience}, keep-last = {KeepLast}, every = {Every}, probe-rows = {ProbeRows}, thaw-ratio = {ThawRatio:R} }}");
    }

    /// <summary>Layers of the schedule that the model does not have.</summary>
    internal void Check(PlanReader section, int layers)
    {
        foreach (var entry in Schedule.Where(entry => entry.FrozenPrefix > layers))
            section.Wrong("schedule", $"layers {Layers(entry.FrozenPrefix)}", $"0-K with K from 0 to {layers - 1}: the model has {layers} layers");
    }

    private static List<FreezeScheduleEntry> Entries(PlanReader section)
    {
        var entries = new List<FreezeScheduleEntry>();
        foreach (var reader in section.Sections("schedule"))
        {
            // A command must be in the journal before its step is granted, and step 1 is granted at once.
            var step = new Step(reader.Long("step", null, 2));
            string layers = reader.Text("layers", null);
            reader.Close();
            if (!TryPrefix(layers, out int prefix)) reader.Wrong("layers", $"\"{layers}\"", "0-K, a prefix that starts at layer 0, or none");
            if (entries.Count > 0 && step <= entries[^1].Step) reader.Wrong("step", $"{step} after {entries[^1].Step}", "steps in ascending order");
            entries.Add(new FreezeScheduleEntry(step, prefix));
        }
        return entries;
    }

    private static bool TryPrefix(string text, out int prefix)
    {
        prefix = 0;
        if (text == "none") return true;
        string last = text == "0" ? "0" : text.StartsWith("0-", StringComparison.Ordinal) ? text[2..] : "";
        bool good = int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) && layer < int.MaxValue;
        if (good) prefix = layer + 1;
        return good;
    }

    private static string Layers(int prefix) => prefix == 0 ? "none" : FormattableString.Invariant($"0-{prefix - 1}");
}
