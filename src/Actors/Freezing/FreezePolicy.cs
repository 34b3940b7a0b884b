using Akka.Actor;
using Akka.Event;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Actors.Freezing;

/// <summary>A step was decided by the coordinator of this process. Told to this process alone, through its event stream.</summary>
/// <param name="Step">The step.</param>
/// <param name="FrozenPrefix">The step's frozen prefix.</param>
/// <param name="LearningRate">As applied.</param>
/// <param name="SumsOfSquares">Shard and sum of squares of its gradient, for the shards that took part.</param>
public sealed record StepDecided(Step Step, int FrozenPrefix, double LearningRate, IReadOnlyList<(ShardId Shard, double SumOfSquares)> SumsOfSquares);

/// <summary>
/// Sends freezes and thaws to the run as an operator would. One on every node that may coordinate; it hears only the coordinator beside it, so only one of them has anything to say.
/// What it has seen is lost with its node: the next one begins anew and decides later. Nothing depends on that but time, because what it decides is journaled.
/// </summary>
public sealed class FreezePolicy : ReceiveActor, IWithTimers
{
    private const string Name = "freeze policy";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private sealed record Send(IRunCommand Command);
    private sealed record Answered(IRunCommand Command, CommandAnswer Answer);
    private sealed record Unanswered(IRunCommand Command);
    private sealed record Probed(StepObservation Step);
    private sealed record ProbeFailed(Exception Error);

    private readonly NodeRuntime _node;
    private readonly IActorRef _run;
    private readonly IFreezePolicy _policy;
    private readonly SnapshotProbe? _probe;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Queue<IRunCommand> _outbox = new();
    private Step _last;
    private bool _isSending, _isProbing;

    /// <summary>One per node that may coordinate, where the plan has a policy.</summary>
    /// <param name="node">The node.</param>
    /// <param name="run">Proxy of the run's singleton.</param>
    public FreezePolicy(NodeRuntime node, IActorRef run)
    {
        (_node, _run) = (node, run);
        var plan = node.Plan.Freeze;
        _policy = Create(plan, node.Layout.Config.NumHiddenLayers);
        if (plan.Policy == FreezePolicyKind.Similarity) _probe = new SnapshotProbe(node.Definition, plan.ProbeRows);
        Receive<StepDecided>(OnDecided);
        Receive<Probed>(m =>
        {
            _isProbing = false;
            Observe(m.Step);
        });
        Receive<ProbeFailed>(m =>
        {
            _isProbing = false;
            _log.Warning("the newest checkpoint could not be looked at: {0}", m.Error.Message);
        });
        Receive<Send>(m => Ask(m.Command));
        Receive<Answered>(OnAnswer);
        Receive<Unanswered>(m => Retry(m.Command));
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The policy that a plan names.</summary>
    /// <exception cref="ArgumentException">It names none.</exception>
    public static IFreezePolicy Create(FreezePlan plan, int layers) => plan.Policy switch
    {
        FreezePolicyKind.Schedule => new SchedulePolicy(plan.Schedule),
        FreezePolicyKind.Plateau => new PlateauPolicy(plan, layers),
        FreezePolicyKind.Similarity => new SimilarityPolicy(plan, layers),
        _ => throw new ArgumentException($"There is no policy {plan.Policy}.", nameof(plan)),
    };

    /// <inheritdoc/>
    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(StepDecided));

    /// <inheritdoc/>
    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private void OnDecided(StepDecided message)
    {
        // A replay decides steps again.
        if (message.Step <= _last) return;
        _last = message.Step;
        var squares = new double[_node.Layout.Config.NumHiddenLayers];
        foreach (var (shard, sum) in message.SumsOfSquares)
            if (_node.Layout.Shards[shard.Value].Layer is var layer && layer >= 0 && layer < squares.Length) squares[layer] += sum;
        var step = new StepObservation(message.Step, message.FrozenPrefix, message.LearningRate, [.. squares.Select(Math.Sqrt)]);
        Observe(step);
        if (_probe is null || _isProbing || message.Step.Value % _node.Plan.Freeze.Every != 0) return;
        _isProbing = true;
        Task.Run(() =>
        {
            TorchRuntime.BindThread();
            return new Probed(step with { Plasticity = _probe.Look() });
        }).PipeTo(Self, failure: e => new ProbeFailed(e));
    }

    private void Observe(StepObservation step)
    {
        foreach (var decision in _policy.Observe(step))
        {
            _outbox.Enqueue(decision.FrozenPrefix == 0
                ? new ThawLayers(decision.CommandId, Name, decision.At)
                : new FreezeLayers(decision.CommandId, Name, decision.FrozenPrefix - 1, decision.At, _node.Plan.Freeze.DropMoments));
        }
        SendNext();
    }

    /// <summary>One at a time: commands take effect in the order in which they are journaled.</summary>
    private void SendNext()
    {
        if (_isSending || !_outbox.TryDequeue(out var command)) return;
        _isSending = true;
        Ask(command);
    }

    private void Ask(IRunCommand command) => _run.Ask<CommandAnswer>(command, Patience).PipeTo(
        Self, success: answer => new Answered(command, answer), failure: _ => new Unanswered(command));

    private void OnAnswer(Answered message)
    {
        if (message.Answer.Retry)
        {
            Retry(message.Command);
            return;
        }
        if (!message.Answer.Accepted && WithoutStep(message.Command) is { } late)
        {
            // Its step was granted while it was on its way.
            _log.Warning("{0}; it holds from the next step on instead", message.Answer.Message);
            Ask(late);
            return;
        }
        if (!message.Answer.Accepted) _log.Warning("{0} was refused: {1}", message.Command, message.Answer.Message);
        _isSending = false;
        SendNext();
    }

    private void Retry(IRunCommand command) => Timers.StartSingleTimer("retry", new Send(command), TimeSpan.FromMilliseconds(200));

    private static IRunCommand? WithoutStep(IRunCommand command) => command switch
    {
        FreezeLayers { At: not null } freeze => freeze with { At = null },
        ThawLayers { At: not null } thaw => thaw with { At = null },
        _ => null,
    };
}
