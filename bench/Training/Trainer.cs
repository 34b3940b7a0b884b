using System.Diagnostics;
using ElasticTrain.Collectives;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Training;

/// <summary>
/// A plain training loop on several devices of one thread each: every device computes its share of the sequences, the gradients are added in the order of
/// the devices, clipped by their norm, and AdamW moves the parameters, each device a part of them. The same random sequences in every step.
/// </summary>
internal sealed class Trainer : IDisposable
{
    /// <summary>Values that pass through sum, norm and AdamW at a time: small enough for the cache.</summary>
    private const int Piece = 1 << 15;

    private readonly ParameterLayout _layout;
    private readonly int _devices;
    private readonly ComputeKind _compute;
    private readonly long _tokens;
    private readonly NativeBuffer _parameters, _moment1, _moment2;
    private readonly NativeBuffer[] _gradients;
    private readonly MicroBatch[] _batches;
    private readonly List<(long Offset, int Length, bool Decay)> _pieces = [];
    private readonly double[] _squares, _losses;
    private bool _running;
    private long _stepStart;

    internal Trainer(ModelConfig config, ComputeKind compute, int devices, int sequences, int length)
    {
        if (sequences % devices != 0) throw new BadInputException("--micro-batch", $"{sequences} sequences", $"a multiple of {devices} devices");
        (_layout, _compute, _devices, _tokens) = (ParameterLayout.Create(config), compute, devices, (long)sequences * length);
        (_parameters, _moment1, _moment2) = (new NativeBuffer(_layout.TotalLength), new NativeBuffer(_layout.TotalLength), new NativeBuffer(_layout.TotalLength));
        _gradients = [.. Enumerable.Range(0, devices).Select(_ => new NativeBuffer(_layout.TotalLength))];
        foreach (var shard in _layout.Shards) _layout.Initialize(shard.Id, 0, _parameters.Slice(shard.Offset, shard.Length));
        int[] tokens = [.. Enumerable.Range(0, sequences * (length + 1)).Select(i => (int)(CounterRandom.Bits(1, (ulong)i) % (ulong)config.VocabSize))];
        _batches = [.. tokens.Chunk(sequences / devices * (length + 1)).Select(part => new MicroBatch(sequences / devices, length, part, null))];
        foreach (var parameter in _layout.Parameters.Where(p => p.Kind != ParameterKind.RouterBias))
        {
            for (long at = 0; at < parameter.Length; at += Piece)
                _pieces.Add((parameter.Offset + at, (int)Math.Min(Piece, parameter.Length - at), parameter.Kind == ParameterKind.Weight));
        }
        (_squares, _losses) = (new double[_pieces.Count], new double[devices]);
    }

    internal long Parameters => _layout.TotalLength;

    /// <summary>Trains and returns the seconds and the mean loss of each step, warm-up first.</summary>
    /// <param name="warmUpSteps">Steps of the warm-up, at least.</param>
    /// <param name="warmUp">How long it lasts, at least.</param>
    /// <param name="steps">Steps after it.</param>
    /// <param name="warm">Called once between the two.</param>
    internal IReadOnlyList<(double Seconds, double Loss)> Run(int warmUpSteps, TimeSpan warmUp, int steps, Action warm)
    {
        var results = new List<(double, double)>();
        long start = Stopwatch.GetTimestamp();
        int last = int.MaxValue;
        // One participant at a time runs this, between the end of a step and the next.
        using var barrier = new Barrier(_devices);
        using var stepEnd = new Barrier(_devices, _ =>
        {
            results.Add((Stopwatch.GetElapsedTime(_stepStart).TotalSeconds, _losses.Sum() / _tokens));
            if (last == int.MaxValue && results.Count >= warmUpSteps && Stopwatch.GetElapsedTime(start) >= warmUp)
            {
                warm();
                last = results.Count + steps;
            }
            _running = results.Count < last;
            _stepStart = Stopwatch.GetTimestamp();
        });
        (_running, _stepStart) = (true, start);
        Thread[] threads = [.. Enumerable.Range(0, _devices).Select(device => new Thread(() => Device(device, barrier, stepEnd)))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        return results;
    }

    public void Dispose()
    {
        foreach (var buffer in new[] { _parameters, _moment1, _moment2 }.Concat(_gradients)) buffer.Dispose();
    }

    private void Device(int device, Barrier barrier, Barrier stepEnd)
    {
        using var replica = new ModelReplica(_layout, _parameters, _compute);
        for (int step = 1; _running; step++)
        {
            _losses[device] = replica.ComputeRank([_batches[device]], _tokens, 0, _gradients[device], isZero: true).LossSum;
            barrier.SignalAndWait();
            for (int piece = device; piece < _pieces.Count; piece += _devices) _squares[piece] = SumGradients(_pieces[piece]);
            barrier.SignalAndWait();
            double norm = Math.Sqrt(_squares.Sum());
            var coefficients = AdamCoefficients.ForUpdate(step, 1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, norm > 1 ? (float)(1 / norm) : 1);
            for (int piece = device; piece < _pieces.Count; piece += _devices) Update(_pieces[piece], coefficients);
            stepEnd.SignalAndWait();
        }
    }

    private double SumGradients((long Offset, int Length, bool Decay) piece)
    {
        var sum = _gradients[0].Slice(piece.Offset, piece.Length);
        foreach (var other in _gradients.AsSpan(1))
        {
            var addend = other.Slice(piece.Offset, piece.Length);
            Summation.Add(sum, addend, sum);
            addend.Clear();
        }
        return GradientStatistics.Of(sum, known: UInt128.Zero).SumOfSquares;
    }

    private void Update((long Offset, int Length, bool Decay) piece, in AdamCoefficients coefficients)
    {
        var gradient = _gradients[0].Slice(piece.Offset, piece.Length);
        Adam.Step(_parameters.Slice(piece.Offset, piece.Length), _moment1.Slice(piece.Offset, piece.Length), _moment2.Slice(piece.Offset, piece.Length), gradient, coefficients, piece.Decay);
        gradient.Clear();
    }
}
