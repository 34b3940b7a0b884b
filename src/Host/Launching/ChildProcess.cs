using System.Diagnostics;
using System.Globalization;
using ElasticTrain.Core;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Launching;

/// <summary>
/// A process that the launcher started, with its number in NAME.pid and all its output in NAME.log. On Unix it writes the log by itself, so that
/// nothing is lost when the launcher dies first.
/// </summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Process process;
    private readonly Stopwatch age = Stopwatch.StartNew();

    private ChildProcess(string name, Process process, long logStart)
    {
        Name = name;
        this.process = process;
        LogStart = logStart;
    }

    /// <summary>lighthouse, node-1, ...</summary>
    public string Name { get; }

    /// <summary>Its number.</summary>
    public int Pid => process.Id;

    /// <summary>Where in the log this process's output begins.</summary>
    public long LogStart { get; }

    /// <summary>Since it was started.</summary>
    public TimeSpan Age => age.Elapsed;

    /// <summary>Whether it has ended.</summary>
    public bool HasExited => process.HasExited;

    /// <summary>Its exit code; 128 + the signal's number if a signal ended it.</summary>
    public int ExitCode => process.ExitCode;

    /// <summary>Its log.</summary>
    public static string LogOf(string runDirectory, string name) => Path.Combine(NodeFile.Folder(runDirectory), $"{name}.log");

    /// <summary>Starts it.</summary>
    public static ChildProcess Start(
        string runDirectory, string name, Executable program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment)
    {
        string log = LogOf(runDirectory, name);
        Directory.CreateDirectory(Path.GetDirectoryName(log)!);
        var start = new ProcessStartInfo { UseShellExecute = false, RedirectStandardInput = true };
        bool piped = OperatingSystem.IsWindows();
        if (piped)
        {
            start.FileName = program.File;
            start.RedirectStandardOutput = start.RedirectStandardError = true;
        }
        else
        {
            // The shell opens the log and becomes the program: same process number, no pipe to break.
            start.FileName = "/bin/sh";
            foreach (string argument in (string[])["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", log, program.File]) start.ArgumentList.Add(argument);
        }
        foreach (string argument in program.Prefix.Concat(arguments)) start.ArgumentList.Add(argument);
        foreach ((string variable, string? value) in environment)
        {
            if (value is null) start.Environment.Remove(variable);
            else start.Environment[variable] = value;
        }

        // Made here: the shell opens it some time after it was started, and the log may be read before.
        long logStart;
        using (var file = new FileStream(log, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite)) logStart = file.Length;
        Process process = Process.Start(start) ?? throw new ElasticTrainException($"{program.File} could not be started.");
        process.StandardInput.Close();
        if (piped) Pump(process, log);
        if (ProcessIdentity.Find(process.Id) is { } identity) PidFile.Write(runDirectory, name, identity);
        return new ChildProcess(name, process, logStart);
    }

    /// <summary>Completes when it has ended.</summary>
    public Task WaitAsync(CancellationToken ct) => process.WaitForExitAsync(ct);

    /// <summary>Asks it to end (SIGTERM). Where there are no signals this kills it.</summary>
    public void Terminate()
    {
        if (process.HasExited) return;
        if (OperatingSystem.IsWindows()) process.Kill();
        else Signals.Send(process.Id, Signals.Terminate);
    }

    /// <summary>Kills it.</summary>
    public void Kill() => process.Kill();

    /// <summary>The last lines that it wrote, for a message.</summary>
    public string LastWords(string runDirectory, int lines = 5)
    {
        const int most = 16 * 1024;
        using var log = new FileStream(LogOf(runDirectory, Name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        log.Position = Math.Max(Math.Min(LogStart, log.Length), log.Length - most);
        using var reader = new StreamReader(log);
        string[] all = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(Environment.NewLine, all.TakeLast(lines).Select(line => $"  {Name}: {line}"));
    }

    /// <summary>How it ended, in words.</summary>
    public string Ending => ExitCode > 128
        ? string.Create(CultureInfo.InvariantCulture, $"was killed by signal {ExitCode - 128}")
        : string.Create(CultureInfo.InvariantCulture, $"ended with code {ExitCode}");

    /// <inheritdoc/>
    public void Dispose() => process.Dispose();

    private static void Pump(Process process, string log)
    {
        var writer = TextWriter.Synchronized(new StreamWriter(new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
        process.OutputDataReceived += (_, e) => writer.WriteLine(e.Data);
        process.ErrorDataReceived += (_, e) => writer.WriteLine(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }
}
