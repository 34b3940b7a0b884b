using ElasticTrain.Core;

namespace ElasticTrain.Actors.Decisions;

/// <summary>The chained hash D(n) that names a history: everything that determined the parameters after step n, and nothing else.</summary>
public static class Lineages
{
    /// <summary>D(0).</summary>
    /// <param name="planHash">The plan's hash, which covers the data and the tokenizer.</param>
    /// <param name="initialState">Hash of the initial parameters.</param>
    /// <param name="numericsClass">Hash of the golden probe and the library versions.</param>
    public static Lineage Initial(Digest256 planHash, Digest256 initialState, Digest256 numericsClass)
    {
        using var builder = new DigestBuilder();
        return new Lineage(Step.Zero, builder.Add("elastictrain-lineage/1").Add(planHash).Add(initialState).Add(numericsClass).Finish());
    }

    /// <summary>D(n) from D(n - 1), the commands that take effect at n, and the reduced gradients of n.</summary>
    /// <param name="input">(n - 1, D(n - 1)).</param>
    /// <param name="commandContents">Canonical texts in the order of <see cref="Runs.RunState.EffectiveAt"/>; never client ids or times.</param>
    /// <param name="sealedShards">Reports of the shards that are not frozen, in shard order.</param>
    public static Digest256 Next(Lineage input, IReadOnlyList<string> commandContents, IReadOnlyList<ShardSealReport> sealedShards)
    {
        using var builder = new DigestBuilder();
        builder.Add(input.Digest).Add(input.Step.Next.Value).Add(commandContents.Count);
        foreach (string command in commandContents) builder.Add(command);
        builder.Add(sealedShards.Count);
        foreach (var report in sealedShards) builder.Add(report.Shard.Value).Add(report.GradientDigest);
        return builder.Finish();
    }
}
