using System.Globalization;
using System.Text.Json;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Elastic;

/// <summary>What elasticity costs while nothing fails, one method for each figure.</summary>
/// <param name="workshop">Where runs live.</param>
/// <param name="rounds">Rounds of each figure.</param>
/// <param name="steps">Steps of a round.</param>
internal sealed class Figures(Workshop workshop, int rounds, int steps)
{
    // One run is one turn here, and starts anew each time: long turns make its beginning small.
    private int StepsOfARun => 30 * steps;

    /// <summary><c>train</c> in one process with one device beside a bare loop.</summary>
    /// <param name="on">The plan.</param>
    /// <param name="withoutCheckpoints">Whether <c>train</c> is also measured without them.</param>
    public void Cost(Case on, bool withoutCheckpoints)
    {
        Console.WriteLine($"cost of being elastic, {on.Name}: one process, one device of one thread");
        using var turns = new Turns();
        foreach (var (name, kind) in new[] { ("bare loop", Loops.Bare), ("StepFold (tree, shards, digests)", Loops.Fold) })
            turns.AddLoop(name, kind, NewFolder(on));
        turns.AddTrain("train", on, workshop.NewRun(on));
        if (withoutCheckpoints) turns.AddTrain("train without checkpoints", on, workshop.NewRun(on, "checkpoint.every=1000000"), "checkpoint.every=1000000");
        turns.Run(rounds, steps);
    }

    /// <summary>Two worker processes beside one process with two devices.</summary>
    public void Processes(Case on)
    {
        Console.WriteLine($"2 worker processes x 1 device / 1 process x 2 devices, {on.Name}: {StepsOfARun} steps a turn");
        List<double> one = [], two = [];
        for (int round = 0; round < rounds; round++)
        {
            foreach (bool isTwo in round % 2 == 0 ? new[] { false, true } : [true, false])
                (isTwo ? two : one).Add(isTwo ? workshop.StepsPerSecond(on, StepsOfARun, [], "--nodes", "2") : workshop.StepsPerSecond(on, StepsOfARun, ["device.count=2"]));
        }
        Console.WriteLine($"  1 process x 2 devices   {new Numbers(one).ToString("0.00")} steps/s");
        Console.WriteLine($"  2 processes x 1 device  {new Numbers(two).ToString("0.00")} steps/s");
        Console.WriteLine($"  ratio {new Numbers([.. one.Zip(two, (o, t) => t / o)])}   (target 0.85)");
    }

    /// <summary>Where a step's time goes, and how much of it waits for the journal and for checkpoints.</summary>
    public void Profile(Case on)
    {
        // As many as make the share of checkpoints right.
        long every = on.Load().Checkpoint.Every, counted = (((5 * steps) + every - 1) / every) * every;
        List<StepTimes> all = [];
        for (int round = 0; round < Math.Max(1, rounds / 2); round++)
        {
            using var child = Child.Self(Loops.Node, NewFolder(on), $"{Workshop.WarmUpSteps * 3}", $"{counted}");
            int code = child.End(Workshop.Deadline);
            all.Add(JsonSerializer.Deserialize<StepTimes>(child.Lines.LastOrDefault(l => l.StartsWith('{'))
                ?? throw new ElasticTrainException($"ended with code {code}:\n{string.Join('\n', child.Lines.TakeLast(20))}"))!);
        }
        Numbers Milliseconds(Func<StepTimes, double> part) => new([.. all.Select(t => part(t) / t.Steps * 1e3)]);
        Numbers Percent(Func<StepTimes, double> part) => new([.. all.Select(t => part(t) / t.Total * 100)]);
        Console.WriteLine($"a step of one process with one device, {on.Name}, checkpoints every {every} steps: milliseconds, mean over {all[0].Steps} steps");
        Console.WriteLine($"  whole step                                 {Milliseconds(t => t.Total).ToString("0.00")}");
        Console.WriteLine($"  optimizer of the step before, parameters   {Milliseconds(t => t.Parameters).ToString("0.00")}");
        Console.WriteLine($"  forward and backward                       {Milliseconds(t => t.Compute).ToString("0.00")}");
        Console.WriteLine($"  sums, digests, seals                       {Milliseconds(t => t.Reduce).ToString("0.00")}");
        Console.WriteLine($"  waiting for the journal                    {Milliseconds(t => t.Journal).ToString("0.00")}");
        Console.WriteLine($"  decision                                   {Milliseconds(t => t.Decide).ToString("0.00")}");
        Console.WriteLine($"  share that waits for the journal: {Percent(t => t.Journal).ToString("0.00")} %; that may wait for checkpoint copies: {Percent(t => t.CheckpointCopies).ToString("0.00")} %   (target: together below 1 %)");
    }

    /// <summary>Seconds per step before, during and after a freeze of the lower layers, in one run.</summary>
    public void Freeze(Case on)
    {
        string run = workshop.NewRun(on);
        using var train = Child.Train(on, run, []);
        List<double> thawed = [], frozen = [];
        train.Await(() => Workshop.Commits(run).Count >= Workshop.WarmUpSteps * 2, Workshop.Deadline);
        for (int round = 0; round < rounds; round++)
        {
            thawed.Add(SecondsPerStep(train, run));
            Command("freeze", "--layers", "0-1", "--run-dir", run);
            frozen.Add(SecondsPerStep(train, run));
            Command("thaw", "--run-dir", run);
        }
        Console.WriteLine($"freeze --layers 0-1, {on.Name}: {new Numbers(thawed).ToString("0.0000")} s per step trained whole, {new Numbers(frozen).ToString("0.0000")} frozen, ratio {new Numbers([.. thawed.Zip(frozen, (t, f) => f / t)])}");
    }

    private static void Command(params string[] arguments)
    {
        using var command = Child.ElasticTrain(arguments);
        if (command.End(TimeSpan.FromMinutes(2)) != 0) throw new ElasticTrainException(string.Join('\n', command.Lines));
    }

    /// <summary>Of as many steps as a round has, from two steps after now on.</summary>
    private double SecondsPerStep(Child train, string run)
    {
        int from = Workshop.Commits(run).Count + 2;
        train.Await(() => Workshop.Commits(run).Count >= from + steps, Workshop.Deadline);
        var commits = Workshop.Commits(run);
        return (commits[from + steps - 1].WrittenAt - commits[from - 1].WrittenAt).TotalSeconds / steps;
    }

    private string NewFolder(Case on)
    {
        string run = workshop.NewRun(on);
        RunFolder.OpenOrCreate(run, on.Load());
        return run;
    }
}
