using System.Globalization;
using System.Text;

namespace ElasticTrain.Actors.Plans;

/// <summary>Writes plans: complete, as HOCON; and the part that can change bits, as canonical text.</summary>
internal static class PlanWriter
{
    internal static string Hocon(Plan plan)
    {
        var text = new StringBuilder();
        var (data, optimizer, schedule, elastic) = (plan.Data, plan.Optimizer, plan.Optimizer.Schedule, plan.Elastic);
        Line(text, $"name = {Quote(plan.Name)}");
        Line(text, $"seed = {plan.Seed}");
        Line(text, $"model {{");
        if (plan.Model.Preset is { } preset) Line(text, $"  preset = {Quote(preset)}");
        foreach (var (key, value) in PlanModel.Fields(plan.Model.Config)) Line(text, $"  {key} = {value}");
        Line(text, $"}}");
        Line(text, $"data {{");
        if (data.Input is { } input) Line(text, $"  input = {Quote(input)}");
        if (data.MaxBytes is { } bytes) Line(text, $"  max-bytes = {bytes}");
        Line(text, $"  validation-share = {data.ValidationShare:R}");
        Line(text, $"}}");
        Line(text, $"batch {{ {Batch(plan.Batch)} }}");
        Line(text, $"phases = [");
        foreach (var phase in plan.Phases)
            Line(text, $"  {{ name = {Quote(phase.Name)}, steps = {phase.Steps}, learning-rate = {phase.LearningRate:R}, batch {{ {Batch(phase.Batch)} }} }}");
        Line(text, $"]");
        Line(text, $"optimizer {{");
        Line(text, $"  type = {Words.Of(Words.Optimizers, optimizer.Kind)}, learning-rate = {optimizer.LearningRate:R}, betas = [{optimizer.Beta1:R}, {optimizer.Beta2:R}]");
        Line(text, $"  eps = {optimizer.Epsilon:R}, weight-decay = {optimizer.WeightDecay:R}, clip = {optimizer.Clip:R}");
        Line(text, $"  schedule {{ type = {Words.Of(Words.Schedules, schedule.Kind)}, warmup-steps = {schedule.WarmupSteps}, min-ratio = {schedule.MinRatio:R} }}");
        Line(text, $"}}");
        Line(text, $"elastic {{");
        Line(text, $"  replicas = {elastic.Replicas}, min-workers = {elastic.MinWorkers}, allow-chaos = {(elastic.AllowChaos ? "true" : "false")}");
        Line(text, $"  suspect-after = {Units.ToHocon(elastic.SuspectAfter)}, preemption-grace = {Units.ToHocon(elastic.PreemptionGrace)}");
        Line(text, $"}}");
        Line(text, $"journal {{ provider = {Words.Of(Words.Journals, plan.Journal.Provider)}{Optional("connection-string", plan.Journal.ConnectionString)} }}");
        Line(text, $"checkpoint {{ every = {plan.Checkpoint.Every}, keep = {plan.Checkpoint.Keep}{Optional("directory", plan.Checkpoint.Directory)} }}");
        Line(text, $"device {{ kind = {Words.Of(Words.Devices, plan.Device.Kind)}, count = {plan.Device.Count}, threads = {plan.Device.Threads} }}");
        Line(text, $"numerics {{ compute = {Words.Of(Words.Computes, plan.Numerics.Compute)}, mode = {Words.Of(Words.Modes, plan.Numerics.Mode)} }}");
        return text.ToString();
    }

    internal static string Canonical(Plan plan)
    {
        var text = new StringBuilder();
        var (optimizer, schedule) = (plan.Optimizer, plan.Optimizer.Schedule);
        Line(text, $"elastictrain-plan/1");
        Line(text, $"seed={plan.Seed}");
        Line(text, $"model={plan.Model.Config.Canonical()}");
        foreach (var (index, phase) in plan.Phases.Index())
            Line(text, $"phase.{index}=steps:{phase.Steps} learning-rate:{phase.LearningRate:R} {Canonical(phase.Batch)}");
        Line(text, $"optimizer={Words.Of(Words.Optimizers, optimizer.Kind)} betas:{optimizer.Beta1:R},{optimizer.Beta2:R} eps:{optimizer.Epsilon:R} weight-decay:{optimizer.WeightDecay:R} clip:{optimizer.Clip:R}");
        Line(text, $"schedule={Words.Of(Words.Schedules, schedule.Kind)} warmup-steps:{schedule.WarmupSteps} min-ratio:{schedule.MinRatio:R}");
        Line(text, $"numerics=compute:{Words.Of(Words.Computes, plan.Numerics.Compute)} mode:{Words.Of(Words.Modes, plan.Numerics.Mode)}");
        return text.ToString();
    }

    private static FormattableString Batch(BatchPlan batch) =>
        $"train-batch-size = {batch.TrainBatchSize}, micro-batch-size = {batch.MicroBatchSize}, gradient-accumulation-steps = {batch.GradientAccumulationSteps}, sequence-length = {batch.SequenceLength}";

    private static FormattableString Canonical(BatchPlan batch) =>
        $"train-batch-size:{batch.TrainBatchSize} micro-batch-size:{batch.MicroBatchSize} gradient-accumulation-steps:{batch.GradientAccumulationSteps} sequence-length:{batch.SequenceLength}";

    private static string Optional(string key, string? value) => value is null ? "" : $", {key} = {Quote(value)}";

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

    /// <summary>Double quotes with HOCON's escapes.</summary>
    private static string Quote(string value)
    {
        var text = new StringBuilder("\"");
        foreach (char c in value)
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        return text.Append('"').ToString();
    }
}
