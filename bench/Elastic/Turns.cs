using System.Globalization;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;

namespace ElasticTrain.Elastic;

/// <summary>
/// Lets processes that all train take turns: one runs, the others are stopped (SIGSTOP), round by round, so that whatever else the machine does hits all
/// of them alike. A contender's position in its steps is interpolated on its own clock, which stands still while it is stopped.
/// </summary>
internal sealed class Turns : IDisposable
{
    private sealed record Contender(string Name, Child Child, Func<IReadOnlyList<(long Ticks, uint Loss)>> Steps)
    {
        public List<(long From, long To, double Processor)> Ran { get; } = [];
    }

    private const int WarmUpSteps = 10;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10), Deadline = TimeSpan.FromMinutes(3);

    private readonly List<Contender> _contenders = [];

    /// <summary>A loop of this program.</summary>
    public void AddLoop(string name, string kind, string run)
    {
        var child = Child.Self(kind, run);
        Start(new Contender(name, child, () => [.. child.Lines.Select(Parse).OfType<(long, uint)>()]));
    }

    /// <summary>A real <c>elastictrain train</c>, whose steps are those of its journal.</summary>
    public void AddTrain(string name, Case on, string run, params IReadOnlyList<string> sets)
    {
        var child = Child.Train(on, run, sets);
        Start(new Contender(name, child, () =>
            [.. Workshop.Journal(run).Where(e => e.Event is StepCommitted).Select(e => (e.WrittenAt.Ticks, ((StepCommitted)e.Event).LossBits))]));
    }

    /// <summary>Runs the rounds and prints every contender beside the first.</summary>
    /// <param name="rounds">Turns of each.</param>
    /// <param name="steps">About how many steps of the first contender a turn lasts.</param>
    public void Run(int rounds, int steps)
    {
        double step = (_contenders[0].Ran[0].To - _contenders[0].Ran[0].From) / (double)TimeSpan.TicksPerSecond / Math.Max(1, _contenders[0].Steps().Count);
        var turn = TimeSpan.FromSeconds(Math.Clamp(step * steps, 3, 8));
        foreach (var contender in _contenders) contender.Ran.Clear();
        for (int round = 0; round < rounds; round++)
            for (int i = 0; i < _contenders.Count; i++) Turn(_contenders[(round + i) % _contenders.Count], () => Thread.Sleep(turn));
        Print(turn);
    }

    public void Dispose()
    {
        foreach (var contender in _contenders) contender.Child.Dispose();
    }

    private void Start(Contender contender)
    {
        _contenders.Add(contender);
        long start = DateTime.UtcNow.Ticks;
        contender.Child.Await(() => contender.Steps().Count >= WarmUpSteps, Deadline);
        var rest = WarmUp - TimeSpan.FromTicks(DateTime.UtcNow.Ticks - start);
        if (rest > TimeSpan.Zero) Thread.Sleep(rest);
        contender.Child.Send(Child.Stop);
        contender.Ran.Add((start, DateTime.UtcNow.Ticks, 0));
    }

    private static void Turn(Contender contender, Action during)
    {
        double processor = contender.Child.ProcessorSeconds;
        long from = DateTime.UtcNow.Ticks;
        contender.Child.Send(Child.Continue);
        during();
        contender.Child.Send(Child.Stop);
        contender.Ran.Add((from, DateTime.UtcNow.Ticks, contender.Child.ProcessorSeconds - processor));
    }

    private void Print(TimeSpan turn)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  turns of {turn.TotalSeconds:0.0} s; steps/s and ratio to the first line: median (min .. max) of the rounds; processor seconds per step over all rounds"));
        var all = _contenders.Select(Measure).ToList();
        var losses = _contenders.Select(c => c.Steps()).ToList();
        int common = losses.Min(l => l.Count) - 1;
        for (int i = 0; i < all.Count; i++)
        {
            var ratios = new Numbers([.. all[i].Rates.Select((rate, round) => rate / all[0].Rates[round])]);
            float loss = BitConverter.UInt32BitsToSingle(losses[i][common].Loss);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {_contenders[i].Name,-34} {new Numbers(all[i].Rates).Median,8:0.00} steps/s   ratio {ratios}   overall {all[i].Steps / all[0].Steps * all[0].Seconds / all[i].Seconds:0.000}   {all[i].Processor / all[i].Steps:0.0000} s   loss of step {common + 1}: {loss:0.0000}"));
        }
    }

    private static (List<double> Rates, double Steps, double Seconds, double Processor) Measure(Contender contender)
    {
        // Steps against the contender's own clock.
        double[] at = [.. contender.Steps().Select(s => contender.Ran.Sum(r => Math.Clamp(s.Ticks - r.From, 0, r.To - r.From)) / (double)TimeSpan.TicksPerSecond)];
        int first = Array.FindIndex(at, t => t > 0);
        if (first < 1) throw new ElasticTrainException($"{contender.Name} made no step in its turns");
        double Position(double t)
        {
            int next = Array.FindIndex(at, first, a => a >= t);
            if (next < 0) return double.NaN;
            return next - 1 + (at[next] == at[next - 1] ? 1 : (t - at[next - 1]) / (at[next] - at[next - 1]));
        }
        List<double> rates = [];
        double begin = at[first], clock = 0;
        foreach (var (from, to, _) in contender.Ran)
        {
            double length = (to - from) / (double)TimeSpan.TicksPerSecond, start = Math.Max(clock, begin), end = Math.Min(clock + length, at[^1]);
            rates.Add((Position(end) - Position(start)) / (end - start));
            clock += length;
        }
        return (rates, at.Length - 1 - first, at[^1] - begin, contender.Ran.Sum(r => r.Processor));
    }

    private static (long, uint)? Parse(string line)
    {
        string[] parts = line.Split(' ');
        return parts.Length == 3 && long.TryParse(parts[0], out _) && long.TryParse(parts[1], out long ticks) && uint.TryParse(parts[2], out uint loss) ? (ticks, loss) : null;
    }
}
