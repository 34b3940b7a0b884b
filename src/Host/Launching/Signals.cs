using System.Runtime.InteropServices;

namespace ElasticTrain.Host.Launching;

/// <summary>Unix signals by process number.</summary>
internal static partial class Signals
{
    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>SIGKILL.</summary>
    public const int Kill9 = 9;

    /// <summary>SIGSTOP and SIGCONT (Linux numbers).</summary>
    public const int Stop = 19, Continue = 18;

    /// <summary>Sends a signal; false if no such process lives.</summary>
    public static bool Send(int pid, int signal) => Kill(pid, signal) == 0;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
