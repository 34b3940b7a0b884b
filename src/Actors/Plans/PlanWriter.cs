using System.Globalization;
using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>Writes plans: complete, as HOCON; and the part that can change bits, as canonical text.</summary>
internal static class PlanWriter
{
    internal static string Hocon(Plan plan)
    {
        var text = new StringBuilder();
        var (data, optimizer, schedule, elastic) = (plan.Data, plan.Optimizer, plan.Optimizer.Schedule, plan.Elastic);
        var (device, numerics) = (plan.Device, plan.Numerics);
        string curve = Words.Of(Words.Schedules, schedule.Kind);
        Line(text, $"name = {HoconText.Quote(plan.Name)}");
        Line(text, $"seed = {plan.Seed}");
        Line(text, $"model {{");
        if (plan.Model.Preset is { } preset) Line(text, $"  preset = {HoconText.Quote(preset)}");
        foreach (var (key, value) in PlanModel.Fields(plan.Model.Config)) Line(text, $"  {key} = {value}");
        Line(text, $"}}");
        Line(text, $"data {{");
        if (data.Input is { } input) Line(text, $"  input = {HoconText.Quote(input)}");
        if (data.MaxBytes is { } bytes) Line(text, $"  max-bytes = {bytes}");
        Line(text, $"  validation-share = {data.ValidationShare:R}");
        Line(text, $"}}");
        Line(text, $"batch {{ {Batch(plan.Batch)} }}");
        Line(text, $"phases = [");
        foreach (var phase in plan.Phases)
        {
            Line(text, $"  {{ name = {HoconText.Quote(phase.Name)}, steps = {phase.Steps}, learning-rate = {phase.LearningRate:R},");
            Line(text, $"    batch {{ {Batch(phase.Batch)} }} }}");
        }
        Line(text, $"]");
        Line(text, $"optimizer {{");
        Line(text, $"  type = {Words.Of(Words.Optimizers, optimizer.Kind)}, learning-rate = {optimizer.LearningRate:R}");
        Line(text, $"  betas = [{optimizer.Beta1:R}, {optimizer.Beta2:R}], eps = {optimizer.Epsilon:R}");
        Line(text, $"  weight-decay = {optimizer.WeightDecay:R}, clip = {optimizer.Clip:R}");
        Line(text, $"  schedule {{ type = {curve}, warmup-steps = {schedule.WarmupSteps}, min-ratio = {schedule.MinRatio:R} }}");
        Line(text, $"}}");
        Line(text, $"elastic {{");
        Line(text, $"  replicas = {elastic.Replicas}, min-workers = {elastic.MinWorkers}, speculate = {(elastic.Speculate ? "on" : "off")}");
        Line(text, $"  audit = {elastic.Audit:R}");
        Line(text, $"  allow-chaos = {(elastic.AllowChaos ? "true" : "false")}");
        Line(text, $"  suspect-after = {Units.ToHocon(elastic.SuspectAfter)}, preemption-grace = {Units.ToHocon(elastic.PreemptionGrace)}");
        Line(text, $"}}");
        Line(text, $"journal {{");
        Line(text, $"  provider = {Words.Of(Words.Journals, plan.Journal.Provider)}");
        if (plan.Journal.ConnectionString is { } connection) Line(text, $"  connection-string = {HoconText.Quote(connection)}");
        Line(text, $"}}");
        Line(text, $"checkpoint {{");
        Line(text, $"  every = {plan.Checkpoint.Every}, keep = {plan.Checkpoint.Keep}");
        if (plan.Checkpoint.Directory is { } directory) Line(text, $"  directory = {HoconText.Quote(directory)}");
        Line(text, $"}}");
        Line(text, $"device {{ kind = {Words.Of(Words.Devices, device.Kind)}, count = {device.Count}, threads = {device.Threads}, recompute = {(device.Recompute ? "true" : "false")}{(device.Memory is { } memory ? FormattableString.Invariant($", memory = {memory}") : "")} }}");
        Line(text, $"numerics {{ compute = {Words.Of(Words.Computes, numerics.Compute)}, mode = {Words.Of(Words.Modes, numerics.Mode)} }}");
        Line(text, $"{plan.Freeze.ToHocon()}");
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
        {
            Line(text, $"phase.{index}.steps={phase.Steps}");
            Line(text, $"phase.{index}.learning-rate={phase.LearningRate:R}");
            Line(text, $"phase.{index}.batch={Batch(phase.Batch)}");
        }
        Line(text, $"optimizer.type={Words.Of(Words.Optimizers, optimizer.Kind)}");
        Line(text, $"optimizer.betas={optimizer.Beta1:R},{optimizer.Beta2:R}");
        Line(text, $"optimizer.eps={optimizer.Epsilon:R}");
        Line(text, $"optimizer.weight-decay={optimizer.WeightDecay:R}");
        Line(text, $"optimizer.clip={optimizer.Clip:R}");
        Line(text, $"optimizer.schedule.type={Words.Of(Words.Schedules, schedule.Kind)}");
        Line(text, $"optimizer.schedule.warmup-steps={schedule.WarmupSteps}");
        Line(text, $"optimizer.schedule.min-ratio={schedule.MinRatio:R}");
        Line(text, $"numerics.compute={Words.Of(Words.Computes, plan.Numerics.Compute)}");
        Line(text, $"numerics.mode={Words.Of(Words.Modes, plan.Numerics.Mode)}");
        return text.ToString();
    }

    private static string Batch(BatchPlan batch) => FormattableString.Invariant(
        $"train-batch-size = {batch.TrainBatchSize}, micro-batch-size = {batch.MicroBatchSize}, ") + FormattableString.Invariant(
        $"gradient-accumulation-steps = {batch.GradientAccumulationSteps}, sequence-length = {batch.SequenceLength}");

    private static void Line(StringBuilder text, FormattableString line) =>
        text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
