using Akka.Actor;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Simulation.Tests.Engine;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>Somebody who freezes, thaws and pauses, and asks again with the same id until there is an answer.</summary>
public sealed class SimOperator
{
    private readonly Simulation _sim;
    private readonly SimProcess _desk;
    private readonly Dictionary<string, IRunCommand> _open = [];
    private int _count;

    /// <summary>At a machine of its own, which never fails.</summary>
    public SimOperator(Simulation sim)
    {
        _sim = sim;
        _desk = new SimProcess(sim, sim.Scenario.Nodes, -1);
    }

    /// <summary>Asks for something.</summary>
    public void Ask()
    {
        int layers = _sim.Scenario.Layout.Config.NumHiddenLayers;
        string id = $"command-{++_count}";
        Step? at = _sim.Random.Chance(0.3) ? new Step(_sim.Oracle.State.Committed.Count + _sim.Random.Next(0, 8)) : null;
        switch (_sim.Random.Next(0, 3))
        {
            case 0: Send(new FreezeLayers(id, "operator", _sim.Random.Next(0, layers), at, _sim.Random.Chance(0.5))); break;
            case 1: Send(new ThawLayers(id, "operator", at)); break;
            default:
                Send(new PauseRun(id, "operator"));
                break;
        }
    }

    /// <summary>Tells a node to go.</summary>
    public void Drain(SimProcess process) => Send(new DrainNode($"drain-{++_count}", "operator", process.Id.Name, _sim.Random.Chance(0.5)));

    private void Send(IRunCommand command)
    {
        _open[command.CommandId] = command;
        var client = new SimRef(_desk, command.CommandId, (message, _) =>
        {
            if (message is not CommandAnswer answer || !_open.ContainsKey(command.CommandId)) return;
            if (answer.Retry) return;
            _open.Remove(command.CommandId);
            if (command is PauseRun) _sim.Scheduler.After(_sim.Random.Milliseconds(10, 3000), () => Send(new ResumeRun($"{command.CommandId}-resume", "operator")));
            if (answer is { Accepted: true, EffectiveStep: not null } && command is not PauseRun && !_sim.Oracle.State.Answers.ContainsKey(command.CommandId))
                throw new SimulationFailure($"{command} was accepted and is not in the journal");
        });
        Try();

        void Try()
        {
            if (!_open.ContainsKey(command.CommandId)) return;
            var known = _sim.Processes.Where(p => p.Succession.Coordinator is not null).ToList();
            if (known.Count > 0) _sim.Network.Send(_desk, _sim.Random.Of(known).Succession.Coordinator!, command, client);
            _sim.Scheduler.After(TimeSpan.FromSeconds(1), Try);
        }
    }
}
