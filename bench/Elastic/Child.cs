using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using ElasticTrain.Core;

namespace ElasticTrain.Elastic;

/// <summary>A process of the benchmark: started, stopped and continued by signals, killed at the end whatever happens.</summary>
internal sealed partial class Child : IDisposable
{
    public const int Kill = 9, Continue = 18, Stop = 19;

    private static readonly ConcurrentDictionary<Child, bool> Living = [];

    private readonly Process _process;
    private readonly List<string> _lines = [];

    private Child(string file, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) => Take(e.Data);
        _process.ErrorDataReceived += (_, e) => Take(e.Data);
        _process.Start();
        Living[this] = true;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>This program, as another process.</summary>
    public static Child Self(params IEnumerable<string> arguments) => new(Path.Combine(AppContext.BaseDirectory, "ElasticTrain.Elastic"), arguments);

    /// <summary><c>elastictrain</c>, from the artifacts folder beside this program's own.</summary>
    public static Child ElasticTrain(params IEnumerable<string> arguments)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        string path = Path.Combine(output.Parent!.Parent!.FullName, "Host", output.Name, "elastictrain");
        return new Child(File.Exists(path) ? path : throw new FileNotFoundException("Build src/Host first.", path), arguments);
    }

    public static Child Train(Case on, string run, IEnumerable<string> sets, params IEnumerable<string> more) =>
        ElasticTrain(["train", on.PlanFile, "--run-dir", run, .. on.AllSets(sets).SelectMany(s => new[] { "--set", s }), .. more]);

    public IReadOnlyList<string> Lines
    {
        get { lock (_lines) return [.. _lines]; }
    }

    /// <summary>Seconds of processor time used so far.</summary>
    public double ProcessorSeconds
    {
        get
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{_process.Id}/stat"));
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
        }
    }

    public void Send(int signal) => Send(_process.Id, signal);

    public static void Send(int pid, int signal)
    {
        if (SendSignal(pid, signal) != 0) throw new ElasticTrainException($"signal {signal} to process {pid} failed: error {Marshal.GetLastPInvokeError()}");
    }

    /// <summary>Waits for a condition of this process; fails at once if it ends before.</summary>
    public void Await(Func<bool> condition, TimeSpan deadline)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (_process.HasExited) throw new ElasticTrainException($"ended with code {_process.ExitCode}:\n{string.Join('\n', Lines.TakeLast(20))}");
            if (Stopwatch.GetElapsedTime(start) > deadline) throw new ElasticTrainException($"nothing after {deadline.TotalSeconds:0} s:\n{string.Join('\n', Lines.TakeLast(20))}");
            Thread.Sleep(20);
        }
    }

    /// <summary>Waits for the end and returns the exit code.</summary>
    public int End(TimeSpan deadline)
    {
        if (!_process.WaitForExit(deadline)) throw new ElasticTrainException($"not ended after {deadline.TotalSeconds:0} s:\n{string.Join('\n', Lines.TakeLast(20))}");
        _process.WaitForExit();
        return _process.ExitCode;
    }

    /// <summary>Leaves nothing behind, neither running nor stopped, also when the benchmark is interrupted.</summary>
    public static void KillAll()
    {
        foreach (var child in Living.Keys) child.Dispose();
    }

    public void Dispose()
    {
        if (!Living.TryRemove(this, out _)) return;
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) return;
        lock (_lines) _lines.Add(line);
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}
