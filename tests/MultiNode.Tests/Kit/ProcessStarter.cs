using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ElasticTrain.Host.Tests.Harness;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>
/// Starts all children on one thread that lives as long as this process: the kernel's parent-death signal, which also ends a child that is
/// stopped, is bound to the thread that forked it.
/// </summary>
internal static partial class ProcessStarter
{
    private const int ParentDeathSignal = 1;

    private static readonly BlockingCollection<Action> Work = [];

    static ProcessStarter() =>
        new Thread(() =>
        {
            foreach (Action action in Work.GetConsumingEnumerable()) action();
        })
        { IsBackground = true, Name = "process-starter" }.Start();

    /// <summary>Starts a program at a role's place in the network.</summary>
    public static Task<ProcessUnderTest> StartAsync(ISpecNetwork network, Role role, string file, IReadOnlyList<string> arguments)
    {
        string[] command = [.. network.Prefix(role), file, .. arguments];
        var started = new TaskCompletionSource<ProcessUnderTest>(TaskCreationOptions.RunContinuationsAsynchronously);
        Work.Add(() =>
        {
            try
            {
                started.SetResult(ProcessUnderTest.Start(command[0], command[1..]));
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        return started.Task;
    }

    /// <summary>In a child: to be killed when its parent ends. The caller looks afterwards whether the parent has ended already.</summary>
    public static void DieWithParent() => _ = prctl(ParentDeathSignal, Signal.Kill, 0, 0, 0);

    [LibraryImport("libc")]
    private static partial int prctl(int option, nuint argument, nuint third, nuint fourth, nuint fifth);
}
