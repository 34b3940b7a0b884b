using System.Diagnostics;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>A real process with its output captured. It is killed when the test is done with it, whatever happens.</summary>
public sealed class ProcessUnderTest : IDisposable
{
    private readonly Process process;
    private readonly List<string> lines = [];
    private readonly string commandLine;

    private ProcessUnderTest(Process process, string commandLine)
    {
        this.process = process;
        this.commandLine = commandLine;
    }

    public int Pid => process.Id;

    public bool HasExited => process.HasExited;

    public int ExitCode => process.ExitCode;

    /// <summary>Standard output and standard error, by line, in the order in which they came.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (lines) return [.. lines];
        }
    }

    public string Output => string.Join('\n', Lines);

    /// <summary>Starts a program. Environment variables of null are taken away.</summary>
    public static ProcessUnderTest Start(string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? folder = null)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        if (folder is not null) start.WorkingDirectory = folder;
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        }
        var under = new ProcessUnderTest(new Process { StartInfo = start }, $"{Path.GetFileName(file)} {string.Join(' ', start.ArgumentList)}");
        under.process.OutputDataReceived += (_, e) => under.Take(e.Data);
        under.process.ErrorDataReceived += (_, e) => under.Take(e.Data);
        under.process.Start();
        under.process.StandardInput.Close();
        under.process.BeginOutputReadLine();
        under.process.BeginErrorReadLine();
        return under;
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, TimeSpan? deadline = null)
    {
        using ProcessUnderTest run = Start(file, arguments, environment);
        int code = await run.WaitForExitAsync(deadline);
        return (code, run.Output);
    }

    /// <summary>The first line, from <paramref name="from"/> on, that holds <paramref name="text"/>. Fails at once if the process ends without it.</summary>
    public async Task<string> WaitForLineAsync(string text, TimeSpan? deadline = null, int from = 0)
    {
        string? Find() => Lines.Skip(from).FirstOrDefault(l => l.Contains(text, StringComparison.Ordinal));
        string? found = null;
        await Wait.UntilAsync(() =>
        {
            if ((found = Find()) is not null) return true;
            if (!HasExited) return false;
            process.WaitForExit();
            return (found = Find()) is not null ? true : throw new InvalidOperationException($"{commandLine} ended with code {ExitCode} and never said '{text}':\n{Output}");
        }, $"{commandLine} says '{text}'", deadline, () => Output);
        return found!;
    }

    /// <summary>Waits for the end, and for all output to have been read.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan? deadline = null)
    {
        using var timeout = new CancellationTokenSource(deadline ?? Wait.Default);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{commandLine} did not end:\n{Output}");
        }
        return process.ExitCode;
    }

    public void Send(int signal) => Signal.Send(Pid, signal);

    /// <summary>kill -9.</summary>
    public void Kill() => Send(Signal.Kill);

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.WaitForExit(5000);
        process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null) return;
        lock (lines) lines.Add(line);
    }
}
