using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace ElasticTrain.Core;

/// <summary>One process, told apart from a later one that was given the same number.</summary>
/// <param name="Pid">The process number.</param>
/// <param name="Start">
/// When it started, in a unit of the system's own (Linux: clock ticks since boot; elsewhere: UTC ticks). Only compared, never shown. 0: not known.
/// </param>
public readonly record struct ProcessIdentity(int Pid, long Start)
{
    /// <summary>This process.</summary>
    public static ProcessIdentity Current { get; } = Find(Environment.ProcessId)
        ?? throw new InvalidOperationException("The running process cannot find itself.");

    /// <summary>The process that runs under this number now; null if none does, or if it has ended and only waits to be collected.</summary>
    /// <param name="pid">The process number.</param>
    public static ProcessIdentity? Find(int pid)
    {
        if (pid <= 0) return null;
        long? start = OperatingSystem.IsLinux() ? LinuxStart(pid) : PortableStart(pid);
        return start is { } value ? new ProcessIdentity(pid, value) : null;
    }

    /// <summary>Reads what <see cref="ToString"/> wrote, or a bare process number (of a process that runs now; start 0 if none does).</summary>
    /// <param name="text"><c>PID</c> or <c>PID:START</c>.</param>
    /// <exception cref="BadInputException">The text is neither.</exception>
    public static ProcessIdentity Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length <= 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int pid) && pid > 0)
        {
            if (parts.Length == 1) return Find(pid) ?? new ProcessIdentity(pid, 0);
            if (long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long start)) return new ProcessIdentity(pid, start);
        }
        throw new BadInputException("process", $"'{text}'", "PID or PID:START");
    }

    /// <summary>Whether this very process still runs (a stopped one does, a zombie does not).</summary>
    public bool IsAlive => Start != 0 && Find(Pid) == this;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Pid}:{Start}");

    private static long? LinuxStart(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
        }
        catch (IOException)
        {
            return null;
        }
        // "pid (name) state ppid ...": the name may hold spaces and parentheses, so count fields from the last one. Field 22 is the start.
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields[0] is "Z" or "X") return null;
        return long.Parse(fields[19], CultureInfo.InvariantCulture);
    }

    private static long? PortableStart(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.HasExited ? null : process.StartTime.ToUniversalTime().Ticks;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            return null;
        }
    }
}
