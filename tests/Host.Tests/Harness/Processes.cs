using System.Globalization;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>Looks at processes by number, through /proc.</summary>
public static class Processes
{
    /// <summary>Whether it runs (stopped counts, a zombie does not).</summary>
    public static bool IsAlive(int pid) => State(pid) is not (null or 'Z' or 'X');

    /// <summary>R, S, T (stopped), Z, ...; null if there is no such process.</summary>
    public static char? State(int pid)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Whether its command line is one of this project's executables or of a test's stand-in for one.</summary>
    public static bool IsOurs(int pid)
    {
        try
        {
            string command = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline"));
            return command.Contains("elastictrain", StringComparison.Ordinal) || command.Contains("lighthouse", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
