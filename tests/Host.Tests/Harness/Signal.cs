using System.Runtime.InteropServices;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>Unix signals by process number (Linux numbers).</summary>
public static class Signal
{
    public const int Interrupt = 2, Kill = 9, Terminate = 15, Continue = 18, Stop = 19;

    /// <summary>Sends one; false if no such process lives.</summary>
    public static bool Send(int pid, int signal)
    {
        if (pid <= 1) throw new ArgumentOutOfRangeException(nameof(pid), pid, "a signal to a group or to init is a bug in the test");
        return SendNative(pid, signal) == 0;
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int SendNative(int pid, int signal);
}
