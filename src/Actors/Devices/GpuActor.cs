using System.Diagnostics;
using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// One device: a CUDA device, or a slice of CPU cores. It owns the torch module on a pinned dispatcher thread, computes the ranks that it is
/// granted one message at a time, and asks for more by finishing. Everything that waits (parameters, acknowledgements) is awaited elsewhere.
/// </summary>
public sealed class GpuActor : ReceiveActor
{
    // Told apart by the accepted grant itself, not by its number: every term counts grants from 1 again.
    private sealed record ParametersReady(GrantRanks Grant, IParameterLease Lease);
    private sealed record ComputeRank(GrantRanks Grant, int Rank);
    private sealed record Acknowledged(GrantRanks Grant, IReadOnlyList<ReplicaId> Missed);
    private sealed record Failed(GrantRanks Grant, Exception Error);

    private readonly NodeRuntime _node;
    private readonly ChaosSettings _chaos;
    private readonly GrantInterrupt _interrupt;
    private readonly ContributionSender _sender;
    private readonly RankSummation _sum;
    private readonly GradientBuffers _gradients;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly List<RankOutcome> _outcomes = [];
    private readonly List<RankChecksums> _checksums = [];
    private readonly IReadOnlyList<RankChecksums.Piece> _pieces;
    private readonly DeviceGrants _grants = new();
    private ModelReplica? _model;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private CancellationTokenSource _cancel = new();
    private IParameterLease? _lease;
    private SampleIndex _samples;
    private long _denominator;
    private (SampleIndex? Samples, Step Step) _denominatorOf;

    /// <summary>One per device.</summary>
    /// <param name="node">The node.</param>
    /// <param name="chaos">Faults to inject.</param>
    /// <param name="interrupt">Shared with the actor that takes the device's mail.</param>
    public GpuActor(NodeRuntime node, ChaosSettings chaos, GrantInterrupt interrupt)
    {
        _node = node;
        _chaos = chaos;
        _interrupt = interrupt;
        _samples = node.Definition.Data.Own;
        _sender = new ContributionSender(node, node.Plan.Elastic.SuspectAfter);
        _pieces = RankChecksums.PiecesOf(node.Layout);
        _sum = new RankSummation(new BlockAccumulator(node.VirtualRanks, node.Layout.TotalLength, node.Pool), node.Pool);
        _gradients = new GradientBuffers(node.Pool, node.Layout.TotalLength);
        Receive<GrantRanks>(OnGrant);
        Receive<ParametersReady>(OnParameters);
        Receive<ComputeRank>(OnCompute);
        Receive<Acknowledged>(OnAcknowledged);
        Receive<Failed>(OnFailed);
    }

    /// <inheritdoc/>
    protected override void PreStart()
    {
        TorchRuntime.BindThread();
        _model = new ModelReplica(_node.Layout, _node.Parameters.Buffer, _node.Plan.Numerics.Compute, _node.Plan.Device.Recompute);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cancel.Cancel();
        _lease?.Dispose();
        _sum.Dispose();
        _gradients.Dispose();
        _model?.Dispose();
    }

    private void OnGrant(GrantRanks grant)
    {
        switch (_grants.Offer(grant))
        {
            case GrantAnswer.Repeat: Sender.Tell(_grants.Last); return;
            case GrantAnswer.Ignore: return;
            case GrantAnswer.LackRoutes: Sender.Tell(DeviceGrants.WithoutRoutes(grant)); return;
            default: break;
        }
        Leave();
        grant = _grants.Current!;
        if (!OpenData(grant)) return;
        _coordinator = Sender;
        _cancel = _interrupt.Begin(grant);
        _node.DataLoader.Tell(new PrefetchSamples(_samples, grant.Input.Step.Next, grant.Ranks));
        _node.Parameters.AcquireAsync(grant, _cancel.Token).PipeTo(
            Self, success: lease => new ParametersReady(grant, lease), failure: e => new Failed(grant, e));
    }

    /// <summary>A node that does not have the data that the journal names takes no part; the ranks go to others.</summary>
    private bool OpenData(GrantRanks grant)
    {
        try
        {
            _samples = _node.Definition.Data.At(grant.Data);
            return true;
        }
        catch (Exception error) when (error is ElasticTrainException or IOException or UnauthorizedAccessException)
        {
            string reason = $"{_node.Id.Name} cannot read the data of step {grant.Input.Step.Next}: {error.Message}";
            _log.Error(reason);
            _grants.Fail();
            Sender.Tell(new RanksFailed(grant.Term, grant.GrantId, reason, Fatal: false));
            _node.Ended.TrySetResult(new RunEnded(RunEnded.Refused, reason));
            return false;
        }
    }

    private void OnParameters(ParametersReady message)
    {
        if (!_grants.IsCurrent(message.Grant))
        {
            message.Lease.Dispose();
            return;
        }
        _lease = message.Lease;
        _node.Clock.Mark(message.Grant.Input.Step.Next, StepMark.ParametersReady);
        Self.Tell(new ComputeRank(message.Grant, message.Grant.Ranks.Lo));
    }

    private void OnCompute(ComputeRank message)
    {
        if (!_grants.IsCurrent(message.Grant)) return;
        var grant = message.Grant;
        var step = grant.Input.Step.Next;
        bool isLast = message.Rank + 1 == grant.Ranks.Hi;
        try
        {
            var batches = _node.Samples.Take(_samples, step, new RankId(message.Rank));
            var gradient = _gradients.Take();
            _gradients.Prepare();
            RankResult result;
            try
            {
                long start = Stopwatch.GetTimestamp();
                result = _model!.ComputeRank(batches, Denominator(step), grant.FrozenPrefix, gradient, isZero: true, _lease?.Residency);
                _chaos.MaybeDelay(Stopwatch.GetElapsedTime(start));
                _chaos.MaybeFlip(step, message.Rank, gradient);
            }
            catch
            {
                _node.Pool.Return(gradient);
                throw;
            }
            if (grant.Audited.Contains(message.Rank)) _checksums.Add(RankChecksums.Of(_node.Layout, _pieces, grant.FrozenPrefix, message.Rank, gradient));
            if (grant.IsAudit) _node.Pool.Return(gradient);
            else if (isLast) _sum.AddLast(new RankId(message.Rank), gradient);
            else _sum.Add(new RankId(message.Rank), gradient);
            _outcomes.Add(RankOutcome.Of(result));
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            OnFailed(new Failed(grant, error));
            return;
        }
        if (!isLast)
        {
            Self.Tell(message with { Rank = message.Rank + 1 });
            return;
        }
        _node.Clock.Mark(step, StepMark.Computed);
        _lease?.Dispose();
        _lease = null;
        if (grant.IsAudit)
        {
            Self.Tell(new Acknowledged(grant, []));
            return;
        }
        // The next step's block is not known yet; this device will most likely get the same ranks again.
        _node.DataLoader.Tell(new PrefetchSamples(_samples, step.Next, grant.Ranks));
        _sender.SendAsync(grant, _sum.Take(), RankOutcome.SumTokensPerExpert(_outcomes)).PipeTo(
            Self, success: missed => new Acknowledged(grant, missed), failure: e => new Failed(grant, e));
    }

    private void OnAcknowledged(Acknowledged message)
    {
        if (!_grants.IsCurrent(message.Grant)) return;
        var completed = _grants.Complete([.. _outcomes], message.Missed, [.. _checksums]);
        _outcomes.Clear();
        _checksums.Clear();
        _coordinator.Tell(completed);
    }

    private void OnFailed(Failed message)
    {
        if (!_grants.IsCurrent(message.Grant)) return;
        var grant = message.Grant;
        var cause = message.Error is AggregateException { InnerExceptions.Count: > 0 } many ? many.InnerExceptions[0] : message.Error;
        bool isInterrupted = _cancel.IsCancellationRequested; // by a later grant, which is in the mail: nobody asks about this one
        Leave();
        _grants.Fail();
        if (isInterrupted) return;
        _log.Warning("ranks {0} of step {1} failed: {2}", grant.Ranks, grant.Input.Step.Next, cause.Message);
        _coordinator.Tell(RanksFailed.Of(grant, cause));
    }

    /// <summary>Ends what is being done.</summary>
    private void Leave()
    {
        _cancel.Cancel();
        _lease?.Dispose();
        _lease = null;
        _sum.Clear();
        _outcomes.Clear();
        _checksums.Clear();
    }

    private long Denominator(Step step)
    {
        if (_denominatorOf != (_samples, step))
        {
            _denominator = _samples.UnmaskedTokens(step);
            _denominatorOf = (_samples, step);
        }
        return _denominator;
    }
}
