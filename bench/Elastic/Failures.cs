using System.Globalization;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Elastic;

/// <summary>What failures cost: the pause after a kill or a stop, what is left of the speed under a kill every so often, the price of replicas, and a straggler.</summary>
/// <param name="workshop">Where runs live.</param>
/// <param name="rounds">Rounds of each figure.</param>
internal sealed class Failures(Workshop workshop, int rounds)
{
    /// <summary>How long after a fault commits are looked at, and how long a stopped process stays stopped.</summary>
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(6), Stopped = TimeSpan.FromSeconds(5);

    /// <summary>What is done to a process.</summary>
    public enum Fault
    {
        /// <summary>kill -9 of a node that does not coordinate.</summary>
        KillWorker,

        /// <summary>kill -9 of the node that coordinates.</summary>
        KillCoordinator,

        /// <summary>SIGSTOP of a node that does not coordinate.</summary>
        StopWorker,
    }

    /// <summary>
    /// The longest pause between two commits in the seconds after a fault, beside the median step before it. A commit that was on its way at the fault
    /// is no recovery, so the next commit alone is not enough.
    /// </summary>
    public void Pauses(Case on, int nodes, Fault fault, string target)
    {
        List<double> pause = [], next = [], step = [], replayed = [];
        int survivors = 0, kept = 0;
        for (int round = 0; round < rounds; round++)
        {
            string run = workshop.NewRun(on);
            // Whoever is killed comes back after the window: what is measured is the others.
            using var train = Child.Train(on, run, [], "--nodes", Text(nodes), "--restart-after", "20");
            Workshop.WarmedUp(train, run);
            Thread.Sleep(137 * round);
            var before = Workshop.Journal(run);
            var pids = Pids(run, nodes);
            int coordinator = ((CoordinatorStarted)before.Last(e => e.Event is CoordinatorStarted).Event).Pid;
            int victim = fault == Fault.KillCoordinator ? coordinator : pids.First(p => p != coordinator);
            long at = DateTime.UtcNow.Ticks;
            Child.Send(victim, fault == Fault.StopWorker ? Child.Stop : Child.Kill);
            var end = DateTime.UtcNow + (fault == Fault.StopWorker ? Stopped : Window);
            train.Await(() => DateTime.UtcNow > end, Workshop.Deadline);
            var all = Workshop.Journal(run);
            if (fault == Fault.StopWorker) Child.Send(victim, Child.Continue);
            long[] commits = [.. all.Where(e => e.Event is StepCommitted).Select(e => e.WrittenAt.Ticks)];
            int first = Array.FindIndex(commits, t => t > at);
            if (first < 1) throw new ElasticTrainException($"no commit within {Window.TotalSeconds:0} s of the fault:\n{string.Join('\n', train.Lines.TakeLast(20))}");
            next.Add(Seconds(commits[first] - at));
            pause.Add(Enumerable.Range(first, commits.Length - first).Max(i => Seconds(commits[i] - commits[i - 1])));
            step.Add(Median([.. Enumerable.Range(Math.Max(1, first - 50), Math.Min(50, first - 1)).Select(i => Seconds(commits[i] - commits[i - 1]))]));
            replayed.Add(all.Count(e => e.SequenceNumber > before[^1].SequenceNumber && e.Event is ReplicasPlaced));
            survivors += nodes - 1;
            kept += pids.Count(p => p != victim && Directory.Exists($"/proc/{p}"));
        }
        Console.WriteLine(
            $"{fault}, --nodes {nodes}, {on.Name}: longest pause between commits {new Numbers(pause).ToString("0.00")} s, of which a step takes {new Numbers(step).ToString("0.000")} s; "
            + $"next commit after {new Numbers(next).ToString("0.00")} s; rewinds {replayed.Sum():0}; survivors that live on {kept} of {survivors}   ({target})");
    }

    /// <summary>Steps under a kill every so often beside the undisturbed run's in the same time; the killed node is started again at once.</summary>
    public void Goodput(Case on, int nodes, TimeSpan between, int kills)
    {
        var time = between * kills;
        List<double> whole = [], disturbed = [];
        for (int round = 0; round < Math.Max(1, rounds / 3); round++)
        {
            foreach (bool isDisturbed in round % 2 == 0 ? new[] { false, true } : [true, false])
            {
                string run = workshop.NewRun(on);
                using var train = Child.Train(on, run, [], "--nodes", Text(nodes), "--restart-after", "0");
                Workshop.WarmedUp(train, run);
                int from = Workshop.Commits(run).Count;
                var start = DateTime.UtcNow;
                for (int kill = 0; kill < kills; kill++)
                {
                    var due = start + (between * (kill + 0.5));
                    train.Await(() => DateTime.UtcNow > due, Workshop.Deadline);
                    if (!isDisturbed) continue;
                    var pids = Pids(run, nodes);
                    Child.Send(pids[kill % pids.Count], Child.Kill);
                }
                train.Await(() => DateTime.UtcNow > start + time, Workshop.Deadline);
                (isDisturbed ? disturbed : whole).Add(Workshop.Commits(run).Count - from);
            }
        }
        Console.WriteLine(
            $"goodput, kill -9 of a node every {between.TotalSeconds:0} s for {time.TotalSeconds:0} s, coordinators included, --nodes {nodes}, {on.Name}: "
            + $"{new Numbers(disturbed).ToString("0")} of {new Numbers(whole).ToString("0")} steps, ratio {new Numbers([.. whole.Zip(disturbed, (w, d) => d / w)])}   (target 0.94; MoEvement 0.94 at one every 10 minutes)");
    }

    /// <summary>Steps per second with two replicas of each shard beside one, two worker processes.</summary>
    public void Replicas(Case on, int steps)
    {
        List<double> one = [], two = [];
        for (int round = 0; round < rounds; round++)
            foreach (bool isTwo in round % 2 == 0 ? new[] { false, true } : [true, false])
                (isTwo ? two : one).Add(Rate(on, steps, [$"elastic.replicas={(isTwo ? 2 : 1)}"], null));
        Console.WriteLine(
            $"replicas = 2 / replicas = 1, --nodes 2, {on.Name}: {new Numbers(two).ToString("0.000")} / {new Numbers(one).ToString("0.000")} steps/s, ratio "
            + $"{new Numbers([.. one.Zip(two, (o, t) => t / o)])}   (target 0.95)");
    }

    /// <summary>One of two nodes at half speed: three quarters of the speed would be ideal.</summary>
    public void Straggler(Case on, int steps)
    {
        List<double> whole = [], slow = [];
        for (int round = 0; round < rounds; round++)
            foreach (bool isSlow in round % 2 == 0 ? new[] { false, true } : [true, false])
                (isSlow ? slow : whole).Add(Rate(on, steps, ["elastic.allow-chaos=true"], isSlow ? "node-2:2" : null));
        Console.WriteLine(
            $"one of two nodes at half speed, {on.Name}: {new Numbers(slow).ToString("0.000")} of {new Numbers(whole).ToString("0.000")} steps/s, of the ideal "
            + $"{new Numbers([.. whole.Zip(slow, (w, s) => s / w / 0.75)])}   (target 0.9)");
    }

    private double Rate(Case on, int steps, IReadOnlyList<string> sets, string? slow)
    {
        Environment.SetEnvironmentVariable("ELASTICTRAIN_SLOW_NODE", slow);
        try
        {
            return workshop.StepsPerSecond(on, steps, sets, "--nodes", "2");
        }
        finally
        {
            Environment.SetEnvironmentVariable("ELASTICTRAIN_SLOW_NODE", null);
        }
    }

    private static List<int> Pids(string run, int nodes) =>
        [.. Enumerable.Range(1, nodes).Select(i => int.Parse(File.ReadAllText(Path.Combine(run, "nodes", $"node-{i}.pid")), CultureInfo.InvariantCulture)).Where(p => Directory.Exists($"/proc/{p}"))];

    private static double Median(double[] values) => new Numbers([.. values]).Median;

    private static double Seconds(long ticks) => ticks / (double)TimeSpan.TicksPerSecond;

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
