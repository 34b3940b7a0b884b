using Akka.Actor;
using ElasticTrain.Actors.Devices;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Chaos;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model;
using ElasticTrain.MultiNode.Tests.Kit;

namespace ElasticTrain.MultiNode.Tests.Specs;

/// <summary>
/// Three real run nodes train in one folder; a fourth process, the operator, does something to them in the middle and waits until the run has
/// finished. As under the launcher, a node that lost its place in the cluster ends with its exit code and is started again.
/// </summary>
internal abstract class TrainingSpec(SpecNode node) : ClusterSpec(node)
{
    /// <summary>Arguments of the spec.</summary>
    public const string Folder = "folder", Steps = "steps";

    protected static readonly Role First = new("node-1"), Second = new("node-2"), Third = new("node-3"), Operator = new("operator");

    private static readonly TimeSpan RunPatience = TimeSpan.FromSeconds(80);
    private JournalWatch? _journal;

    protected static MultiNodeConfig Training => TrainingWith(inNamespaces: false);

    protected static MultiNodeConfig TrainingWith(bool inNamespaces) => new(First, Second, Third, Operator)
    {
        WithLighthouse = true,
        InNamespaces = inNamespaces,
        System = Start,
        EndsWith = Operator,
        RestartedExitCode = RunEnded.Superseded,
    };

    /// <summary>The run's journal, as it is now.</summary>
    protected JournalWatch Journal
    {
        get
        {
            _journal ??= new JournalWatch(Self.Arguments[Folder], RunSession.LoadPlan(RunFolder.Open(Self.Arguments[Folder])));
            _journal.Poll();
            return _journal;
        }
    }

    /// <summary>Of the operator: what happens to the run.</summary>
    protected abstract void Disturb();

    public override void Run()
    {
        RunOn(() =>
        {
            AwaitStep(20);
            Disturb();
            AwaitCondition(() => Journal.History.Any(e => e.Event is RunFinished), RunPatience, TimeSpan.FromMilliseconds(50));
        }, Operator);
        RunOn(() =>
        {
            var run = (RunNode)Self.Subject!;
            RunEnded ended = run.Ended.GetAwaiter().GetResult();
            Console.WriteLine($"{Self.Role} (life {Self.Life}) ended with {ended}");
            if (ended.ExitCode == RunEnded.Superseded) Environment.Exit(ended.ExitCode);
            Assert.Equal(0, ended.ExitCode);
        }, First, Second, Third);
    }

    /// <summary>The node that coordinates now.</summary>
    protected Role Coordinator() => new(Journal.History.Select(e => e.Event).OfType<CoordinatorStarted>().Last().Node);

    /// <summary>A node that does not coordinate and holds a replica, so that its loss costs something.</summary>
    protected Role Worker()
    {
        Role coordinator = Coordinator();
        return Journal.History.Select(e => e.Event).OfType<ReplicasPlaced>().Last().Placements.Select(p => new Role(p.Node.Name)).First(r => r != coordinator);
    }

    protected long Terms() => Journal.History.Count(e => e.Event is CoordinatorStarted);

    /// <summary>Waits until a step is committed, with little delay: what follows is to hit the next steps.</summary>
    protected void AwaitStep(long step) => AwaitCondition(() => Journal.Committed >= step, RunPatience, TimeSpan.FromMilliseconds(2));

    /// <summary>Waits until so many more steps are committed than now, with the run unfinished.</summary>
    protected void AwaitProgress(int steps)
    {
        AwaitStep(Journal.Committed + steps);
        Assert.DoesNotContain(Journal.History, e => e.Event is RunFinished);
    }

    private static ActorSystem Start(SpecNode node)
    {
        if (node.Role == Operator) return SpecSystem.StartLocal(node);
        var session = RunSession.Open(node.Arguments[Folder]);
        Plan plan = session.Definition.Plan;
        var options = new NodeOptions(
            node.Role.Name, node.Cluster, [RunNode.CoordinatorRole, RunNode.WorkerRole],
            new RunTarget(long.Parse(node.Arguments[Steps]), plan.Elastic.MinWorkers, ExpectedWorkers: 3), ChaosSettings.FromEnvironment(plan.Elastic.AllowChaos));
        node.Subject = RunNode.StartAsync(options, session.Definition, session.Journal, NumericsClass.Probe(plan.Numerics.Compute), CancellationToken.None).GetAwaiter().GetResult();
        return SystemCapture.System.Result;
    }
}
