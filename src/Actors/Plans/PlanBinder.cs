using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Plans;

/// <summary>Binds the tree of a plan to its records: every key's type, range and default is here.</summary>
internal sealed class PlanBinder
{
    private const int MaxVirtualRanks = 1 << 20;
    private readonly string _file;
    private readonly string _folder;
    private readonly PlanErrors _errors = new();

    private PlanBinder(string file) => (_file, _folder) = (file, Path.GetDirectoryName(Path.GetFullPath(file)) ?? Path.GetFullPath(file));

    internal static Plan Bind(string text, string file, IReadOnlyList<KeyValuePair<string, string>> sets, bool checkMachine)
    {
        var binder = new PlanBinder(file);
        Plan plan = binder.Root(new PlanReader(binder._errors, file, "", PlanTree.Parse(text, file, sets)), checkMachine);
        binder._errors.ThrowIfAny();
        return plan;
    }

    private Plan Root(PlanReader root, bool checkMachine)
    {
        string name = root.Text("name", Path.GetFileNameWithoutExtension(_file));
        ulong seed = root.Seed("seed", 1);
        var batch = Required(root, "batch", "{ train-batch-size, micro-batch-size, sequence-length }", section => Batch(section, null));
        var optimizer = Required(root, "optimizer", "{ learning-rate }", Optimizer) ?? NoOptimizer;
        var phases = Phases(root, optimizer, batch);
        var model = Required(root, "model", "{ preset = NAME }", section => PlanModel.Bind(section, path => Resolve(section, "config", path)));
        if (model is { Config.VocabSize: < ByteTokenizer.VocabSize })
            root.Section("model").Wrong("vocab-size", $"{model.Config.VocabSize}", $"at least the byte tokenizer's {ByteTokenizer.VocabSize}");
        long total = phases.Sum(phase => phase.Steps);
        if (phases.Count > 0 && optimizer.Schedule.WarmupSteps >= total)
            root.Section("optimizer").Section("schedule")
                .Wrong("warmup-steps", $"{optimizer.Schedule.WarmupSteps} steps of warm-up", $"fewer than the {total} steps of all phases");
        var plan = new Plan(
            name, seed, model!, Data(root.Section("data"), checkMachine), phases, optimizer, batch!, Elastic(root.Section("elastic")),
            Journal(root.Section("journal")), Checkpoint(root.Section("checkpoint")), Device(root.Section("device")),
            Numerics(root.Section("numerics")))
        {
            Freeze = FreezePlan.Bind(root.Section("freeze")),
        };
        root.Close();
        if (model is null) return plan;
        plan.Freeze.Check(root.Section("freeze"), model.Config.NumHiddenLayers);
        CheckSequenceLengths(plan);
        if (checkMachine && plan.Device.Memory is not null && _errors.Count == 0) CheckMemory(plan, root.Section("device"));
        return plan;
    }

    /// <summary>Stands in for an optimizer that is missing, so that the rest can be read.</summary>
    private static OptimizerPlan NoOptimizer { get; } =
        new(OptimizerKind.AdamW, 1, 0, 0, 1, 0, 0, new SchedulePlan(ScheduleKind.Constant, 0, 0));

    private static T? Required<T>(PlanReader root, string key, string content, Func<PlanReader, T?> bind) where T : class
    {
        PlanReader section = root.Section(key);
        if (root.Has(key)) return bind(section);
        root.Wrong(key, "no such section", $"a section: {key} {content}");
        return null;
    }

    private List<PhasePlan> Phases(PlanReader root, OptimizerPlan optimizer, BatchPlan? batch)
    {
        const string expected = "a list with at least one phase: phases = [ { name = pretrain, steps = 600 } ]";
        bool had = root.Has("phases");
        int errors = _errors.Count;
        var readers = root.Sections("phases");
        var phases = new List<PhasePlan>();
        foreach (var (index, phase) in readers.Index())
        {
            string name = phase.Text("name", $"phase-{index + 1}");
            long steps = phase.Long("steps", null, 1, 1_000_000_000_000);
            double learningRate = phase.Number("learning-rate", optimizer.LearningRate, rate => rate > 0, "a number above 0");
            PlanReader own = phase.Section("batch");
            phases.Add(new PhasePlan(name, steps, learningRate, (phase.Has("batch") && batch is not null ? Batch(own, batch) : batch)!));
            phase.Close();
        }
        if (readers.Count == 0 && _errors.Count == errors) root.Wrong("phases", had ? "an empty list" : "nothing", expected);
        return phases;
    }

    private BatchPlan? Batch(PlanReader section, BatchPlan? outer)
    {
        int errors = _errors.Count;
        int train = section.Int("train-batch-size", outer?.TrainBatchSize, 1);
        int micro = section.Int("micro-batch-size", outer?.MicroBatchSize, 1);
        int accumulation = section.Int("gradient-accumulation-steps", outer?.GradientAccumulationSteps ?? 1, 1);
        int length = section.Int("sequence-length", outer?.SequenceLength, 1, 1 << 24);
        section.Close();
        if (_errors.Count > errors) return null;
        long perRank = (long)micro * accumulation;
        if (train % perRank != 0)
        {
            long below = train / perRank * perRank, above = below + perRank;
            long nearest = below > 0 && train - below <= above - train ? below : above;
            string equation = $"train-batch-size {train} = micro-batch-size {micro} x gradient-accumulation-steps {accumulation} x V";
            section.Wrong(
                "train-batch-size", FormattableString.Invariant($"{equation}, so V = {train / (double)perRank:0.###}"),
                $"a whole number V of virtual ranks; the nearest train-batch-size is {nearest}");
            return null;
        }
        if (train / perRank <= MaxVirtualRanks) return new BatchPlan(train, micro, accumulation, length);
        section.Wrong(
            "train-batch-size", $"{train / perRank} virtual ranks",
            $"at most {MaxVirtualRanks}; raise micro-batch-size or gradient-accumulation-steps");
        return null;
    }

    private static OptimizerPlan Optimizer(PlanReader section)
    {
        var kind = section.Choice("type", OptimizerKind.AdamW, Words.Optimizers);
        double learningRate = section.Number("learning-rate", null, rate => rate > 0, "a number above 0");
        double[] betas = section.Numbers("betas", [0.9, 0.95], beta => beta is >= 0 and < 1, "from 0 to below 1");
        double epsilon = section.Number("eps", 1e-8, value => value > 0, "a number above 0");
        double decay = section.Number("weight-decay", 0.1, value => value >= 0, "a number of at least 0");
        double clip = section.Number("clip", 1.0, value => value >= 0, "a number of at least 0 (0: no clipping)");
        PlanReader schedule = section.Section("schedule");
        var plan = new SchedulePlan(
            schedule.Choice("type", ScheduleKind.Constant, Words.Schedules), schedule.Long("warmup-steps", 0, 0),
            schedule.Number("min-ratio", 0.1, ratio => ratio is >= 0 and <= 1, "a number from 0 to 1"));
        schedule.Close();
        section.Close();
        return new OptimizerPlan(kind, learningRate, betas[0], betas[1], epsilon, decay, clip, plan);
    }

    private DataPlan Data(PlanReader section, bool checkMachine)
    {
        string? input = section.OptionalText("input") is { Length: > 0 } path ? Resolve(section, "input", path) : null;
        if (checkMachine && input is not null && !Path.Exists(input))
            section.Wrong("input", $"no file or folder {input}", "a file or a folder of text");
        var plan = new DataPlan(
            input, section.OptionalBytes("max-bytes"),
            section.Number("validation-share", 0.05, share => share is >= 0 and <= 0.5, "a number from 0 to 0.5"));
        section.Close();
        return plan;
    }

    private ElasticPlan Elastic(PlanReader section)
    {
        var plan = new ElasticPlan(
            section.Int("replicas", 2, 1, 8), section.Int("min-workers", 1, 1, 1 << 20),
            section.Duration("suspect-after", TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(50)),
            section.Duration("preemption-grace", TimeSpan.FromSeconds(30), TimeSpan.Zero), section.Flag("speculate", true),
            section.Number("audit", 0.01, share => share is >= 0 and <= 1, "a share of the ranks from 0 to 1"),
            section.Flag("allow-chaos", false));
        section.Close();
        return plan;
    }

    private JournalPlan Journal(PlanReader section)
    {
        var provider = section.Choice("provider", DatabaseProvider.Sqlite, Words.Journals);
        string? connection = section.OptionalText("connection-string");
        section.Close();
        if (provider == DatabaseProvider.PostgreSql && connection is null)
            section.Wrong("connection-string", "nothing", "an Npgsql connection string, for example \"Host=db;Database=runs;Username=me\"");
        if (provider == DatabaseProvider.Sqlite && connection is not null)
            section.Wrong("connection-string", "a connection string", "none with provider = sqlite, or provider = postgresql");
        return new JournalPlan(provider, connection);
    }

    private CheckpointPlan Checkpoint(PlanReader section)
    {
        var plan = new CheckpointPlan(
            section.Long("every", 50, 1), section.Int("keep", 2, 1),
            section.OptionalText("directory") is { Length: > 0 } path ? Resolve(section, "directory", path) : null);
        section.Close();
        return plan;
    }

    private static DevicePlan Device(PlanReader section)
    {
        var kind = section.Choice("kind", DeviceKind.Cpu, Words.Devices);
        var plan = new DevicePlan(kind, section.Int("count", 1, 1, 1024), section.Int("threads", 1, 1, 1024), section.Flag("recompute", false), section.OptionalBytes("memory"));
        section.Close();
        return plan;
    }

    private static NumericsPlan Numerics(PlanReader section)
    {
        var plan = new NumericsPlan(
            section.Choice("compute", ComputeKind.Fp32, Words.Computes, "fp16"),
            section.Choice("mode", NumericsMode.Strict, Words.Modes));
        section.Close();
        return plan;
    }

    /// <summary>A position beyond what the model was made for has no meaning.</summary>
    private void CheckSequenceLengths(Plan plan)
    {
        if (plan.Batch is null || plan.Phases.Any(phase => phase.Batch is null)) return;
        int limit = plan.Model.Config.MaxPositionEmbeddings;
        int longest = plan.Phases.Select(phase => phase.Batch.SequenceLength).Append(plan.Batch.SequenceLength).Max();
        if (longest > limit)
            _errors.Add($"{_file}: batch.sequence-length", $"{longest}", $"at most the model's max-position-embeddings, {limit}");
    }

    private void CheckMemory(Plan plan, PlanReader device)
    {
        try
        {
            DeviceMemory.Of(plan, ParameterLayout.Create(plan.Model.Config))!.Require(device.Where("memory"));
        }
        catch (BadInputException problem)
        {
            _errors.Add(problem);
        }
    }

    /// <summary>A path in the file is relative to the file; one on the command line, to the working folder.</summary>
    private string Resolve(PlanReader section, string key, string path) =>
        section.Where(key).StartsWith("--set ", StringComparison.Ordinal) ? Path.GetFullPath(path) : Path.GetFullPath(path, _folder);
}
