using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Checks;

/// <summary>A device that computes wrong gradients in otherwise calm schedules: with audits no bit changes and the device is named, without them the oracle goes red.</summary>
public sealed class CorruptDeviceTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Audits_keep_a_corrupt_device_out_of_the_bits_and_without_them_the_oracle_notices(bool isErratic)
    {
        int named = 0, noticed = 0;
        for (ulong seed = 1; seed <= 40; seed++)
        {
            var scenario = Scenario.Of(seed);
            if (scenario.Nodes < 3) continue;
            scenario = scenario with { Faults = FaultPlan.Calm with { Corruption = new Corruption(1, 3, 6, 0.5, isErratic) } };
            named += Run(scenario, audit: 1)!.Value;
            if (Run(scenario, audit: 0) is null) noticed++;
        }
        Assert.InRange(named, 30, int.MaxValue);
        Assert.InRange(noticed, 15, int.MaxValue);
    }

    /// <summary>How often the device was named; null where the oracle has found wrong bits, which fails the test unless nothing was audited.</summary>
    private static int? Run(Scenario scenario, double audit)
    {
        using var simulation = new Simulation(scenario with { Plan = scenario.Plan with { Elastic = scenario.Plan.Elastic with { Audit = audit } } });
        try
        {
            var outcome = simulation.Run();
            Assert.False(outcome.HasHalted || outcome.WasBlind);
            return outcome.Corruptions;
        }
        catch (SimulationFailure failure) when (audit == 0)
        {
            // Where two computations of the same ranks met at a replica, the run halts instead.
            Assert.Matches("the undisturbed run has|the history is|the run halted", failure.Message);
            return null;
        }
    }
}
