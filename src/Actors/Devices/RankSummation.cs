using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// A <see cref="BlockAccumulator"/> whose additions run on another thread while the device computes its next rank. They stay one after another, in rank
/// order: the bits are those of the accumulator. One per device, called by its thread alone.
/// </summary>
/// <param name="accumulator">Adds; owned from now on.</param>
/// <param name="pool">Where a gradient goes that cannot be added.</param>
public sealed class RankSummation(BlockAccumulator accumulator, BufferPool pool) : IDisposable
{
    /// <summary>Values of a gradient from which on a change of threads pays: about a tenth of a millisecond's work.</summary>
    private const long BackgroundFrom = 1 << 18;

    private Task _additions = Task.CompletedTask;

    /// <summary>Adds the gradient of the next rank, some time before <see cref="Take"/> returns.</summary>
    /// <param name="rank">As for <see cref="BlockAccumulator.Add"/>.</param>
    /// <param name="gradient">Belongs to the summation from now on.</param>
    public void Add(RankId rank, NativeBuffer gradient)
    {
        if (gradient.Length < BackgroundFrom) AddLast(rank, gradient);
        else _additions = AddAfterAsync(_additions, rank, gradient);
    }

    /// <summary>As <see cref="Add"/> for the last rank before <see cref="Take"/>: done at once, with idle cores, as the device has nothing else to do.</summary>
    /// <exception cref="ArgumentException">A rank does not follow the one before it.</exception>
    public void AddLast(RankId rank, NativeBuffer gradient)
    {
        try
        {
            Wait();
            accumulator.Add(rank, gradient, useIdleCores: gradient.Length >= BackgroundFrom);
        }
        catch
        {
            pool.Return(gradient);
            throw;
        }
    }

    /// <summary>Waits for the additions and hands the blocks over, as <see cref="BlockAccumulator.Take"/> does.</summary>
    /// <exception cref="ArgumentException">A rank did not follow the one before it.</exception>
    public IReadOnlyList<BlockSum> Take()
    {
        Wait();
        return accumulator.Take();
    }

    /// <summary>Returns all buffers to the pool, whatever became of the additions.</summary>
    public void Clear()
    {
        // A failed addition has returned its buffer, and nobody wants its sum any more.
        Task.WhenAny(_additions).GetAwaiter().GetResult();
        _additions = Task.CompletedTask;
        foreach (var block in accumulator.Take()) pool.Return(block.Sum);
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private void Wait()
    {
        var additions = _additions;
        _additions = Task.CompletedTask;
        additions.GetAwaiter().GetResult();
    }

    private async Task AddAfterAsync(Task before, RankId rank, NativeBuffer gradient)
    {
        try
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            accumulator.Add(rank, gradient);
        }
        catch
        {
            pool.Return(gradient);
            throw;
        }
    }
}
