using System.Text.Json;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>What <c>digest --json</c> says about one step.</summary>
public sealed record StepDigest(long Step, string Loss, string Digest);

/// <summary>What <c>digest --json</c> says about a run.</summary>
public sealed record RunDigest(string Run, IReadOnlyList<StepDigest> Steps, string? State)
{
    public static RunDigest Parse(string json) => JsonSerializer.Deserialize<RunDigest>(json, JsonSerializerOptions.Web)!;

    /// <summary>The comparison that every test here ends with: all steps, losses, digests and the state; the run's id aside. Names the first step that differs.</summary>
    public void ShouldBe(RunDigest expected, Func<string>? context = null)
    {
        string Context() => context is null ? "" : $"\n{context()}";
        for (int i = 0; i < Math.Min(Steps.Count, expected.Steps.Count); i++)
            if (Steps[i] != expected.Steps[i]) Assert.Fail($"The first step that differs is {expected.Steps[i].Step}: {Steps[i]} instead of {expected.Steps[i]}.{Context()}");
        if (Steps.Count != expected.Steps.Count) Assert.Fail($"{Steps.Count} steps instead of {expected.Steps.Count}.{Context()}");
        Assert.NotNull(expected.State);
        if (State != expected.State) Assert.Fail($"Every step is the same, but the state is {State} instead of {expected.State}.{Context()}");
    }

    /// <summary>The first step that another run of the same length does not share; null if there is none.</summary>
    public long? FirstDifference(RunDigest other) => Steps.Zip(other.Steps, (mine, its) => mine == its ? null : mine).FirstOrDefault(different => different is not null)?.Step;
}
