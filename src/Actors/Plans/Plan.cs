using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>
/// What a run is to do: everything a user decides, read from a HOCON file and checked before anything starts. With the data and the
/// journaled commands it determines every bit of the result; the sections that cannot change a bit (elastic, journal, checkpoint, device, freeze)
/// say how.
/// </summary>
/// <param name="Name">For the user; changes no bit.</param>
/// <param name="Seed">Key of every random choice of the run.</param>
/// <param name="Model">The network.</param>
/// <param name="Data">The training text.</param>
/// <param name="Phases">At least one phase; they run one after another.</param>
/// <param name="Optimizer">The optimizer and its schedule.</param>
/// <param name="Batch">The global batch; a phase may have its own, see <see cref="PhasePlan.Batch"/>.</param>
/// <param name="Elastic">Membership and failure handling.</param>
/// <param name="Journal">The journal database.</param>
/// <param name="Checkpoint">The checkpoint policy.</param>
/// <param name="Device">The devices of each node.</param>
/// <param name="Numerics">Number formats and how strictly nodes must agree.</param>
public sealed record Plan(
    string Name, ulong Seed, ModelPlan Model, DataPlan Data, IReadOnlyList<PhasePlan> Phases, OptimizerPlan Optimizer, BatchPlan Batch,
    ElasticPlan Elastic, JournalPlan Journal, CheckpointPlan Checkpoint, DevicePlan Device, NumericsPlan Numerics)
{
    /// <summary>Who freezes layers, beside people. What it does is journaled; it is no part of the hash.</summary>
    public FreezePlan Freeze { get; init; } = FreezePlan.None;

    /// <summary>The steps of all phases together; the schedule runs over them.</summary>
    public long TotalSteps => Phases.Sum(phase => phase.Steps);

    /// <summary>Reads a plan, and checks that the files it names are there and that its limits can be kept.</summary>
    /// <param name="file">A HOCON file. Relative paths inside it are relative to its folder.</param>
    /// <param name="sets">Settings laid over the file, later ones over earlier ones: <c>optimizer.learning-rate</c> -> <c>0.001</c>;
    /// relative paths in them are relative to the working folder.</param>
    /// <exception cref="BadInputException">The plan cannot be used; all problems at once.</exception>
    public static Plan Load(string file, IReadOnlyList<KeyValuePair<string, string>> sets)
    {
        string text;
        try
        {
            text = File.ReadAllText(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string found =
                Directory.Exists(file) ? "a folder"
                : error is FileNotFoundException or DirectoryNotFoundException ? "no such file"
                : error.Message;
            throw new BadInputException(file, found, "a plan file that can be read", error);
        }
        return PlanBinder.Bind(text, file, sets, checkMachine: true);
    }

    /// <summary>
    /// Reads a plan from text, without looking whether its data are there and its limits can be kept (a finished run can be inspected all the same).
    /// </summary>
    /// <param name="text">HOCON.</param>
    /// <param name="fileName">Stands in messages; relative paths in the text are relative to its folder.</param>
    /// <param name="sets">As in <see cref="Load"/>.</param>
    /// <exception cref="BadInputException">The plan cannot be used; all problems at once.</exception>
    public static Plan Parse(string text, string fileName, IReadOnlyList<KeyValuePair<string, string>> sets) =>
        PlanBinder.Bind(text, fileName, sets, checkMachine: false);

    /// <summary>The plan as a complete HOCON text, defaults resolved; <see cref="Parse"/> gives the same plan again.</summary>
    public string ToHocon() => PlanWriter.Hocon(this);

    /// <summary>The part that can change bits, defaults resolved, as text: one <c>key=value</c> a line, in a fixed order.</summary>
    public string Canonical() => PlanWriter.Canonical(this);

    /// <summary>Identifies what the run computes: two plans of one hash give the same weights to the last bit.</summary>
    /// <param name="dataContent">Hash of the training tokens (not of their path).</param>
    /// <param name="tokenizer">Hash of the tokenizer.</param>
    public Digest256 Hash(Digest256 dataContent, Digest256 tokenizer)
    {
        using var builder = new DigestBuilder();
        return builder.Add(Canonical()).Add(dataContent).Add(tokenizer).Finish();
    }

    /// <summary>The phase that a step belongs to. Steps past the plan's end belong to its last phase.</summary>
    /// <param name="step">1 or more.</param>
    public PhasePlan PhaseAt(Step step) => Phases[PhaseIndexAt(step)];

    /// <summary>The index of the phase that a step belongs to. Steps past the plan's end belong to its last phase.</summary>
    /// <param name="step">1 or more.</param>
    public int PhaseIndexAt(Step step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step.Value, 1);
        long end = 0;
        for (int index = 0; index < Phases.Count; index++)
        {
            end += Phases[index].Steps;
            if (step.Value <= end) return index;
        }
        return Phases.Count - 1;
    }

    /// <summary>Two plans are equal if everything in them is.</summary>
    public bool Equals(Plan? other) =>
        other is not null && Name == other.Name && Seed == other.Seed && Model == other.Model && Data == other.Data
        && Phases.SequenceEqual(other.Phases) && Optimizer == other.Optimizer && Batch == other.Batch && Elastic == other.Elastic
        && Journal == other.Journal && Checkpoint == other.Checkpoint && Device == other.Device && Numerics == other.Numerics && Freeze == other.Freeze;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Seed, Model, Phases.Count, Optimizer, Batch);
}
