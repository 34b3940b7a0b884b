using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Checks;

/// <summary>Negative controls of whole schedules: a part breaks a rule, and the schedule fails by that rule.</summary>
public sealed class SabotageTests
{
    [Theory]
    [InlineData(Sabotage.JournalTakesAnything, FaultKind.Usurp, "two writers|follows term|created twice")]
    [InlineData(Sabotage.JournalForgets, null, "is committed after step 2|is sealed before it is committed")]
    [InlineData(Sabotage.WrongGradient, null, "the undisturbed run has|the history is")]
    [InlineData(Sabotage.RankCountedTwice, null, "the ranks counted")]
    [InlineData(Sabotage.WrongState, null, "has other bits than")]
    [InlineData(Sabotage.UnsealedCheckpoint, FaultKind.CrashMany, "is not sealed|is not committed")]
    [InlineData(Sabotage.SilentDevices, null, "has not ended")]
    [InlineData(Sabotage.ForeignNode, null, "was refused")]
    public void A_broken_rule_is_noticed(Sabotage sabotage, FaultKind? fault, string expected)
    {
        var faults = fault is { } kind ? FaultPlan.Calm with { Kinds = [kind, FaultKind.SlowJournal, FaultKind.JournalFailure], MeanInterval = TimeSpan.FromMilliseconds(250), Until = TimeSpan.FromSeconds(30) } : FaultPlan.Calm;
        List<string> found = [];
        for (ulong seed = 1; seed <= 100; seed++)
        {
            var scenario = Scenario.Of(seed);
            scenario = scenario with { Faults = faults, Plan = scenario.Plan with { Checkpoint = scenario.Plan.Checkpoint with { Every = 1 }, Elastic = scenario.Plan.Elastic with { Replicas = 1 } } };
            Assert.Null(Failure(scenario, Sabotage.None));
            if (Failure(scenario, sabotage) is not { } failure) continue;
            found.Add(failure);
            if (expected.Split('|').Any(part => failure.Contains(part, StringComparison.Ordinal))) return;
        }
        Assert.Fail($"100 schedules with {sabotage}, found: {string.Join("; ", found.Distinct().Take(5))}");
    }

    private static string? Failure(Scenario scenario, Sabotage sabotage)
    {
        using var simulation = new Simulation(scenario, null, sabotage);
        try
        {
            simulation.Run();
            return null;
        }
        catch (SimulationFailure failure)
        {
            return failure.Message;
        }
    }
}
