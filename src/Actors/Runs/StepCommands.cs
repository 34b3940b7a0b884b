using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Runs;

/// <summary>A journaled command that changes what steps compute, from one step on.</summary>
public interface IStepCommand
{
    /// <summary>The first step it affects.</summary>
    Step EffectiveStep { get; }

    /// <summary>The content that enters D(n): never client ids, senders, paths or times.</summary>
    string Content { get; }
}

/// <summary>A command that changes which layers are trained, as the journal has it.</summary>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="FrozenPrefix">As the model has it: K + 1 for the embedding and the layers 0 to K, 0 for none.</param>
/// <param name="DropMoments">Whether the frozen shards' moments are set to zero at that step.</param>
public sealed record FreezeEntry(Step EffectiveStep, int FrozenPrefix, bool DropMoments) : IStepCommand
{
    /// <inheritdoc/>
    public string Content => FrozenPrefix == 0 ? "thaw" : $"freeze 0-{FrozenPrefix - 1} moments={(DropMoments ? "drop" : "keep")}";
}

/// <summary>A command that changes the plan's optimizer, as the journal has it.</summary>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="Settings">Normalized by <see cref="PlanAmendment.Normalize"/>.</param>
public sealed record AmendmentEntry(Step EffectiveStep, IReadOnlyList<PlanSetting> Settings) : IStepCommand
{
    /// <inheritdoc/>
    public string Content => $"amend {string.Join(' ', Settings)}";
}

/// <summary>A command that changes where samples come from, as the journal has it.</summary>
/// <param name="EffectiveStep">The first step it affects.</param>
/// <param name="Data">The prepared data.</param>
/// <param name="Replace">Whether samples come from these data alone from then on; otherwise from these as well.</param>
public sealed record AttachmentEntry(Step EffectiveStep, DataSource Data, bool Replace) : IStepCommand
{
    /// <inheritdoc/>
    public string Content => $"attach {Data.Content} {(Replace ? "replace" : "add")}";
}

/// <summary>Prepared data.</summary>
/// <param name="Content">Content hash of its tokens and masks.</param>
/// <param name="Path">Its folder, relative to the run's or absolute; null for the data that the run was made with. Where the data are decides no bit.</param>
public sealed record DataSource(Digest256 Content, string? Path);

/// <summary>Where the samples of a step come from once data were attached.</summary>
/// <param name="From">The step from which on it holds: its first sample is the first of the first epoch over these data.</param>
/// <param name="Sources">One or more, in the order in which they were attached.</param>
public sealed record StepData(Step From, IReadOnlyList<DataSource> Sources)
{
    /// <inheritdoc/>
    public bool Equals(StepData? other) => other is not null && From == other.From && Sources.SequenceEqual(other.Sources);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(From, Sources.Count, Sources[^1]);
}
