using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;
using ElasticTrain.Simulation.Tests.Engine;
using ElasticTrain.Simulation.Tests.Faults;
using ElasticTrain.Simulation.Tests.World;

namespace ElasticTrain.Simulation.Tests.Processes;

/// <summary>A device: which grants it takes is <see cref="DeviceGrants"/>, how it adds ranks up <see cref="BlockAccumulator"/>; the network is <see cref="Arithmetic"/>.</summary>
public sealed class SimDevice
{
    private readonly SimProcess _process;
    private readonly DeviceGrants _grants = new();
    private readonly BlockAccumulator _sum;
    private readonly double _pace;
    private readonly IReadOnlyList<RankChecksums.Piece> _pieces;
    private readonly int _index;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private GrantRanks? _leased;

    /// <summary>One of a process.</summary>
    public SimDevice(SimProcess process, int index)
    {
        (_process, _index) = (process, index);
        _pieces = RankChecksums.PiecesOf(Sim.Scenario.Layout);
        Ref = new SimRef(process, $"device-{index}", (m, s) =>
        {
            if (m is GrantRanks grant && Sim.Sabotage != Sabotage.SilentDevices) OnGrant(grant, s);
        });
        _sum = new BlockAccumulator(Sim.Scenario.VirtualRanks, Sim.Scenario.Layout.TotalLength, Sim.Pool);
        _pace = Sim.Random.Chance(0.2) ? 4 : 0.7 + (0.6 * Sim.Random.Unit());
    }

    /// <summary>Its address.</summary>
    public SimRef Ref { get; }

    private Simulation Sim => _process.Sim;

    /// <summary>Gives its memory back.</summary>
    public void Free() => _sum.Dispose();

    private void OnGrant(GrantRanks grant, IActorRef coordinator)
    {
        switch (_grants.Offer(grant))
        {
            case GrantAnswer.Repeat: Sim.Network.Send(_process, coordinator, _grants.Last!, Ref); return;
            case GrantAnswer.Ignore: return;
            case GrantAnswer.LackRoutes: Sim.Network.Send(_process, coordinator, DeviceGrants.WithoutRoutes(grant), Ref); return;
            default: break;
        }
        Leave();
        grant = _grants.Current!;
        _coordinator = coordinator;
        _process.Parameters.Acquire(grant, () => _grants.IsCurrent(grant), error =>
        {
            if (!_grants.IsCurrent(grant))
            {
                if (error is null) _process.Parameters.Release();
                return;
            }
            if (error is not null)
            {
                Fail(grant, error);
                return;
            }
            _leased = grant;
            _process.Post(_pace * grant.Ranks.Count * Sim.Scenario.RankTime * (0.8 + (0.4 * Sim.Random.Unit())), () => Compute(grant));
        });
    }

    private void Compute(GrantRanks grant)
    {
        if (!_grants.IsCurrent(grant)) return;
        var (layout, step) = (Sim.Scenario.Layout, grant.Input.Step.Next);
        if (Sim.Injector.Hangs(_process, _index, step))
        {
            _process.Post(TimeSpan.FromSeconds(1), () => Compute(grant));
            return;
        }
        ulong parameters = Arithmetic.HashOf(_process.Parameters.Values);
        if (Sim.Sabotage == Sabotage.WrongGradient && step.Value == 3) parameters ^= 1;
        List<RankOutcome> outcomes = [];
        List<RankChecksums> checksums = [];
        for (int rank = grant.Ranks.Lo; rank < grant.Ranks.Hi; rank++)
        {
            var outcome = Arithmetic.Outcome(layout, parameters, step, rank);
            var gradient = Sim.Pool.Rent(layout.TotalLength);
            Arithmetic.Gradient(layout, parameters, step, rank, outcome, gradient.Span);
            Sim.Injector.OnComputed(_process, _index, grant, rank, gradient.Span);
            if (grant.Audited.Contains(rank)) checksums.Add(RankChecksums.Of(layout, _pieces, grant.FrozenPrefix, rank, gradient));
            if (grant.IsAudit) Sim.Pool.Return(gradient);
            else _sum.Add(new RankId(rank), gradient);
            outcomes.Add(Sim.Sabotage == Sabotage.RankCountedTwice ? outcome with { LossTokens = 2 * outcome.LossTokens } : outcome);
        }
        Leave();
        if (grant.IsAudit)
        {
            Report(outcomes, [], checksums);
            return;
        }
        // Granted blocks are blocks of the tree, so that their ranks add up to one.
        var (block, sum) = _sum.Take()[0];
        float[] values = sum.Span.ToArray();
        Sim.Pool.Return(sum);
        new Sending(this, grant, outcomes, checksums, block, values).Begin();
    }

    private void Report(List<RankOutcome> outcomes, IReadOnlyList<ReplicaId> missed, List<RankChecksums> checksums) =>
        Sim.Network.Send(_process, _coordinator, _grants.Complete(outcomes, missed, checksums), Ref);

    private void Fail(GrantRanks grant, Exception error)
    {
        if (!_grants.IsCurrent(grant)) return;
        Leave();
        _grants.Fail();
        Sim.Trace?.Invoke($"{Ref} failed ranks {grant.Ranks} of step {grant.Input.Step.Next}: {error.Message}");
        Sim.Network.Send(_process, _coordinator, RanksFailed.Of(grant, error), Ref);
    }

    private void Leave()
    {
        if (_leased is not null) _process.Parameters.Release();
        _leased = null;
    }

    /// <summary>A grant's block on its way to all replicas, by the rules of the product's ContributionSender.</summary>
    private sealed class Sending(SimDevice device, GrantRanks grant, List<RankOutcome> outcomes, List<RankChecksums> checksums, RankRange block, float[] values)
    {
        private readonly (ShardRoute Route, bool IsOver, Exception? Error)[] _sends =
            [.. grant.Routes.Where(r => !ParameterLayout.IsFrozen(device.Sim.Scenario.Layout.Shards[r.Shard.Value], grant.FrozenPrefix)).Select(r => (r, false, (Exception?)null))];
        private bool _isPatient, _isOver;

        public void Begin()
        {
            long[] tokens = RankOutcome.SumTokensPerExpert(outcomes);
            for (int i = 0; i < _sends.Length; i++)
            {
                int index = i;
                var route = _sends[i].Route;
                var shard = device.Sim.Scenario.Layout.Shards[route.Shard.Value];
                bool marker = Arithmetic.Misses(device.Sim.Scenario.Layout, shard, tokens);
                float[] part = marker ? [] : values[(int)shard.Offset..(int)(shard.Offset + shard.Length)];
                if (!marker) device.Sim.Injector.OnContribution(grant, route, part);
                var header = device.Sim.Data.Header(marker ? FrameKind.Marker : FrameKind.Contribution, grant.Input, route.Shard, route.Replica, block) with { Attempt = grant.Attempt };
                device.Sim.Data.Request(device._process, route.DataPlane, header, part, isLong: false, (error, _, _) =>
                {
                    _sends[index] = (route, true, error);
                    Look();
                });
            }
            Look();
        }

        private void Look()
        {
            if (_isOver || !device._grants.IsCurrent(grant)) return;
            var shards = _sends.Where(s => !s.Route.IsObserver).GroupBy(s => s.Route.Shard).ToList();
            if (!shards.All(g => g.Any(s => s.IsOver && s.Error is null) || g.All(s => s.IsOver))) return;
            if (_sends.Any(s => !s.IsOver && !s.Route.IsObserver))
            {
                if (_isPatient) return;
                _isPatient = true;
                device._process.Post(device.Sim.Scenario.Plan.Elastic.SuspectAfter, End);
                return;
            }
            End();
        }

        private void End()
        {
            if (_isOver || !device._grants.IsCurrent(grant)) return;
            _isOver = true;
            var failed = _sends.Where(s => s.IsOver ? s.Error is not null : !s.Route.IsObserver).ToList();
            var lost = _sends.Where(s => !s.Route.IsObserver).GroupBy(s => s.Route.Shard).FirstOrDefault(g => g.All(s => s.Error is not null || !s.IsOver));
            Exception? error = failed.Select(f => f.Error).FirstOrDefault(e => e is not null && ContributionSender.IsFatal(e)) ?? lost?.First().Error;
            if (error is not null)
            {
                device.Fail(grant, error);
                return;
            }
            device.Report(outcomes, [.. failed.Where(f => !f.Route.IsObserver).Select(f => f.Route.Replica)], checksums);
        }
    }
}
