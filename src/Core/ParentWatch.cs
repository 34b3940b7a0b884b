using System.Diagnostics;

namespace ElasticTrain.Core;

/// <summary>
/// Ends a process whose parent is gone. A thread of its own looks four times a second, so neither a busy thread pool nor a blocked actor
/// system delays it.
/// </summary>
public sealed class ParentWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2.5);
    private readonly ManualResetEventSlim stopped = new();

    private ParentWatch(ProcessIdentity parent, Action gone, Action killSelf)
    {
        var thread = new Thread(() => Run(parent, gone, killSelf)) { IsBackground = true, Name = "parent-watch" };
        thread.Start();
    }

    /// <summary>
    /// Watches <paramref name="parent"/>. When it is gone, <paramref name="gone"/> is called once to end this process in good order; if it
    /// still runs 2.5 s later it is killed. Together this takes less than 5 s.
    /// </summary>
    /// <param name="parent">The process to outlive by no more than 5 s.</param>
    /// <param name="gone">Asks this process to end. Must not block for long.</param>
    public static ParentWatch Start(ProcessIdentity parent, Action gone) => Start(parent, gone, KillSelf);

    /// <summary>As above with another last resort than killing this process, for tests.</summary>
    internal static ParentWatch Start(ProcessIdentity parent, Action gone, Action killSelf) => new(parent, gone, killSelf);

    /// <summary>Stops watching.</summary>
    public void Dispose() => stopped.Set();

    private static void KillSelf()
    {
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }

    private void Run(ProcessIdentity parent, Action gone, Action killSelf)
    {
        while (parent.IsAlive)
            if (stopped.Wait(Interval)) return;
        // On a thread of its own: a stop that blocks must not keep the last resort from running.
        new Thread(() => gone()) { IsBackground = true, Name = "parent-gone" }.Start();
        if (!stopped.Wait(Grace)) killSelf();
    }
}
