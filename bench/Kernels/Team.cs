namespace ElasticTrain.Kernels;

/// <summary>Threads that work on equal pieces of a buffer at the same time.</summary>
internal sealed class Team : IDisposable
{
    private readonly Barrier _start, _end;
    private readonly Thread[] _threads;
    private Action<int> _work = _ => { };
    private bool _stopped;

    public Team(int size)
    {
        Size = size;
        (_start, _end) = (new Barrier(size + 1), new Barrier(size + 1));
        _threads = [.. Enumerable.Range(0, size).Select(member => new Thread(() => Loop(member)) { IsBackground = true })];
        foreach (var thread in _threads) thread.Start();
    }

    public int Size { get; }

    /// <summary>Calls <paramref name="work"/> with 0 .. Size - 1, each on a thread of its own, and waits.</summary>
    public void Run(Action<int> work)
    {
        _work = work;
        _start.SignalAndWait();
        _end.SignalAndWait();
    }

    public void Dispose()
    {
        _stopped = true;
        _start.SignalAndWait();
        foreach (var thread in _threads) thread.Join();
        _start.Dispose();
        _end.Dispose();
    }

    private void Loop(int member)
    {
        while (true)
        {
            _start.SignalAndWait();
            if (_stopped) return;
            _work(member);
            _end.SignalAndWait();
        }
    }
}
