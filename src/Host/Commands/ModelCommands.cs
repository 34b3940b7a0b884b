using System.CommandLine;
using System.Globalization;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;
using ElasticTrain.Model;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Host.Commands;

/// <summary><c>model info</c> and <c>model forward</c>: look at a network without training it.</summary>
public static class ModelCommands
{
    private const int ShardsShown = 12;

    /// <summary>The command with its subcommands.</summary>
    public static Command Create() => new("model", "Look at a network: its size and cost, or what it makes of given tokens.") { Info(), Forward() };

    private static Command Info()
    {
        var what = new Argument<string>("model") { Description = $"a preset ({string.Join(", ", ModelConfig.PresetNames)}), a plan, or a Hugging Face folder", HelpName = "PRESET|PLAN|HFDIR" };
        var rows = new Option<int?>("--micro-batch") { Description = "sequences per forward and backward pass (default: the plan's, or 1)", HelpName = "N" };
        var length = new Option<int?>("--seq") { Description = "positions per sequence (default: the plan's, or the longest up to 4096)", HelpName = "N" };
        var shards = new Option<bool>("--shards") { Description = "list every shard" };
        var sets = CommonOptions.Sets();
        var command = new Command("info", "Parameters, memory, operations per token and shards of a network, without allocating it.") { what, rows, length, shards, sets };
        command.SetAction(parsed =>
        {
            var (config, plan, global) = Find(parsed.GetRequiredValue(what), CommonOptions.Pairs(parsed.GetValue(sets)));
            BatchPlan? batch = plan?.Batch;
            int sequence = Positive("--seq", parsed.GetValue(length) ?? batch?.SequenceLength ?? Math.Min(4096, config.MaxPositionEmbeddings));
            if (sequence > config.MaxPositionEmbeddings) throw new BadInputException("--seq", $"{sequence}", $"at most max_position_embeddings = {config.MaxPositionEmbeddings}");
            Print(ParameterLayout.Create(config), Positive("--micro-batch", parsed.GetValue(rows) ?? batch?.MicroBatchSize ?? 1), sequence, global, plan, parsed.GetValue(shards));
            return 0;
        });
        return command;
    }

    private static Command Forward()
    {
        var model = new Option<string>("--model") { Description = "a Hugging Face folder", HelpName = "HFDIR", Required = true };
        var tokens = new Option<string>("--tokens") { Description = "a file with {\"input_ids\": [[...], ...]}", HelpName = "FILE.json", Required = true };
        var output = new Option<string>("--out") { Description = "the file to write", HelpName = "FILE.safetensors", Required = true };
        var gradients = new Option<bool>("--gradients") { Description = "also the gradient of the loss (of the total loss with a prediction module) by every parameter" };
        var compute = new Option<string>("--compute") { Description = "what is multiplied: fp32, or bf16 with fp32 sums", HelpName = "TYPE", DefaultValueFactory = _ => "fp32" };
        compute.AcceptOnlyFromAmong("fp32", "bf16");
        var command = new Command("forward", "Write logits, losses, hidden states and routing of given tokens. The balance loss of training is no part of the losses.") { model, tokens, output, gradients, compute };
        command.SetAction(parsed =>
        {
            int[][] rows = ForwardReport.ReadTokens(parsed.GetRequiredValue(tokens));
            TorchRuntime.BindThread();
            using HuggingFaceModel source = HuggingFaceModel.Load(parsed.GetRequiredValue(model));
            var tensors = ForwardReport.Compute(source.Layout, source.Parameters, rows, parsed.GetValue(gradients), parsed.GetValue(compute) == "bf16" ? ComputeKind.Bf16 : ComputeKind.Fp32);
            string path = parsed.GetRequiredValue(output);
            try
            {
                AtomicFile.Write(path, stream => SafetensorsFile.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt" }));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new BadInputException($"--out {path}", error.Message, "a file that can be written", error);
            }
            System.Console.WriteLine($"{tensors.Count} tensors written to {path}");
            return 0;
        });
        return command;
    }

    private static (ModelConfig Config, Plan? Plan, int? GlobalBatch) Find(string what, IReadOnlyList<KeyValuePair<string, string>> sets)
    {
        bool isPlan = !ModelConfig.PresetNames.Contains(what) && File.Exists(what) && Path.GetExtension(what) != ".json";
        if (sets.Count > 0 && !isPlan) throw new BadInputException($"--set {sets[0].Key}", "a setting", $"none: {what} is no plan");
        if (ModelConfig.PresetNames.Contains(what)) return (ModelConfig.Preset(what), null, ModelConfig.PresetBatch(what));
        if (Directory.Exists(what)) return (ModelConfig.FromHuggingFace(Path.Combine(what, "config.json")), null, null);
        if (!File.Exists(what)) throw new BadInputException(what, "no such preset, file or folder", $"one of {string.Join(", ", ModelConfig.PresetNames)}, a plan, or a folder with config.json");
        if (!isPlan) return (ModelConfig.FromHuggingFace(what), null, null);
        Plan plan = Plan.Load(what, sets);
        return (plan.Model.Config, plan, plan.Batch.TrainBatchSize);
    }

    private static void Print(ParameterLayout layout, int rows, int length, int? globalBatch, Plan? plan, bool allShards)
    {
        var size = new ModelSize(layout);
        ModelConfig c = layout.Config;
        long all = layout.TotalLength;
        Line($"network        {c.NumHiddenLayers} layers ({layout.MoeLayerCount} with {c.NRoutedExperts} experts, {c.NumExpertsPerTok} chosen), hidden {c.HiddenSize}, {c.NumAttentionHeads} heads, vocabulary {c.VocabSize}");
        Line($"parameters     {Count(size.Total)} in all{(size.Prediction > 0 ? $", and {Count(size.Prediction)} in the prediction module" : "")}");
        Line($"active         {Count(size.Active)} per token, without the embedding");
        if (globalBatch is { } batch) Line($"global batch   {batch} sequences");
        Line($"memory         a device holds weights {Bytes(4.0 * all)}, gradients {Bytes(4.0 * all)}, activations about {Bytes(size.ActivationBytes(rows, length, plan?.Device.Recompute ?? false))} ({rows} x {length} tokens);");
        Line($"               moments {Bytes(8.0 * all)} and master weights {Bytes(4.0 * all)} are spread over the nodes (fp32)");
        if (plan is not null && DeviceMemory.Of(plan, layout) is { } memory)
            Line($"device.memory  {Bytes(memory.Limit)}: {memory}");
        Line($"operations     {size.ForwardFlops(length):0.###e+0} per token forward, {size.TrainingFlops(length):0.###e+0} in training");
        Line($"shards         {layout.Shards.Count}: {layout.Shards.Count(s => s.Kind == ShardKind.Dense)} dense, {layout.Shards.Count(s => s.Kind == ShardKind.Expert)} of experts");
        foreach (ShardInfo shard in allShards ? layout.Shards : layout.Shards.Take(ShardsShown))
        {
            string holds = shard.Kind == ShardKind.Expert ? $"experts {shard.FirstExpert} to {shard.FirstExpert + shard.ExpertCount - 1}" : "";
            string place = shard.Layer < 0 ? "embedding" : shard.Layer < c.NumHiddenLayers ? $"layer {shard.Layer}" : layout.ParametersOf(shard.Id)[0].Name == "model.norm.weight" ? "norm and head" : "prediction module";
            Line($"  {shard.Id.Value,5}  {place,-18} {holds,-20} {Bytes(4.0 * shard.Length)}");
        }
        if (!allShards && layout.Shards.Count > ShardsShown) Line($"  ... {layout.Shards.Count - ShardsShown} more with --shards");
    }

    private static void Line(FormattableString line) => System.Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private static int Positive(string option, int value) => value > 0 ? value : throw new BadInputException(option, $"{value}", "1 or more");

    private static string Count(long count) => count switch
    {
        >= 1_000_000_000 => (count / 1e9).ToString("0.00 B", CultureInfo.InvariantCulture),
        >= 1_000_000 => (count / 1e6).ToString("0.00 M", CultureInfo.InvariantCulture),
        _ => count.ToString(CultureInfo.InvariantCulture),
    };

    private static string Bytes(double bytes) =>
        bytes >= 1 << 30 ? (bytes / (1 << 30)).ToString("0.0 'GiB'", CultureInfo.InvariantCulture) : (bytes / (1 << 20)).ToString("0.0 'MiB'", CultureInfo.InvariantCulture);
}
