using ElasticTrain.Host.Chaos;

namespace ElasticTrain.Host.Tests.Chaos;

public sealed class ChaosScheduleTests
{
    private static readonly FaultKind[] All = Enum.GetValues<FaultKind>();

    [Fact]
    public void The_same_seed_gives_the_same_schedule_and_another_seed_another()
    {
        string Lines(int seed) => string.Join('\n', ChaosSchedule.Lines(seed, All, faults: 7, steps: 500));
        Assert.Equal(Lines(5), Lines(5));
        Assert.NotEqual(Lines(5), Lines(6));
    }

    [Fact]
    public void What_is_planned_for_a_run_does_not_depend_on_what_other_runs_have_left()
    {
        var whole = ChaosSchedule.Plan(1, FaultKind.Worker, run: 3, steps: 500, count: 5);
        Assert.Equal(5, whole.Count);
        Assert.Equal(whole.Take(2), ChaosSchedule.Plan(1, FaultKind.Worker, run: 3, steps: 500, count: 2));
        Assert.True(whole.Zip(whole.Skip(1)).All(p => p.Item1.AfterStep <= p.Item2.AfterStep));
    }

    [Fact]
    public void All_moments_of_a_step_come_up()
    {
        var moments = Enumerable.Range(0, 3).SelectMany(run => ChaosSchedule.Plan(1, FaultKind.Phase, run, steps: 500, count: 5)).Select(f => f.Moment).ToHashSet();
        Assert.Equal(Enum.GetValues<Moment>().Length, moments.Count);
    }

    [Fact]
    public void A_coordinator_is_stopped_for_longer_than_its_succession_takes() =>
        Assert.All(ChaosSchedule.Plan(1, FaultKind.PauseCoordinator, 0, 500, 5), f => Assert.True(f.Lasts > TimeSpan.FromSeconds(2)));

    [Fact]
    public void Names_are_words_with_dashes() => Assert.Equal("four-of-five", ChaosSchedule.Name(FaultKind.FourOfFive));
}
