using System.Globalization;
using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests;

public sealed class CampaignTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(50);

    /// <summary>Another base than the fixed one, and how many seconds, for those who want more.</summary>
    private const string Variable = "ELASTICTRAIN_SIMULATE";

    [Fact]
    public void As_many_schedules_as_fit_into_a_minute_end_with_the_bits_of_the_undisturbed_run()
    {
        string[] set = (Environment.GetEnvironmentVariable(Variable) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        ulong first = set.Length > 0 ? ulong.Parse(set[0], CultureInfo.InvariantCulture) : 1;
        var time = set.Length > 1 ? TimeSpan.FromSeconds(int.Parse(set[1], CultureInfo.InvariantCulture)) : Time;
        var report = Campaign.Run(first, 1_000_000, time);
        Assert.True(report.Failures.Count == 0, string.Join(
            '\n', report.Failures.Take(20).Select(f => $"seed {f.Seed}: {f.Failure.Message}\n    {Campaign.Command(f.Seed)}").Prepend(report.Summary(time))));
        Assert.InRange(report.Outcomes.Count, 200, int.MaxValue);
    }

    /// <summary>What they found is in the changelog and in docs/protocol.md. A change of the simulation gives their numbers other schedules.</summary>
    [Theory]
    [InlineData(140)]
    [InlineData(1425)]
    [InlineData(1773)]
    [InlineData(2681)]
    [InlineData(4812)]
    [InlineData(5127)]
    [InlineData(5643)]
    [InlineData(5788)]
    [InlineData(5998)]
    [InlineData(8091)]
    [InlineData(8276)]
    public void Schedules_that_have_failed_before(ulong seed)
    {
        using var simulation = new Simulation(Scenario.Of(seed));
        simulation.Run();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_seed_gives_the_same_schedule_to_the_last_message(ulong seed)
    {
        Assert.Equal(TraceOf(seed), TraceOf(seed));
        Assert.NotEqual(TraceOf(seed), TraceOf(seed + 1));

        static Digest256 TraceOf(ulong seed)
        {
            var text = new StringBuilder();
            using var simulation = new Simulation(Scenario.Of(seed), line => text.AppendLine(line));
            simulation.Run();
            return Digest256.Of(text.ToString());
        }
    }
}
