using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ElasticTrain.Host.Tests.Harness;

/// <summary>
/// A PostgreSQL server of the test's own in a temporary folder. PostgreSQL refuses to run as root: then it runs as the user <c>postgres</c> (or <c>nobody</c>).
/// </summary>
public sealed class PostgresServer : IDisposable
{
    private readonly string folder;
    private readonly string binaries;
    private readonly string[] asUser;

    private PostgresServer(string folder, string binaries, string[] asUser, int port)
    {
        this.folder = folder;
        this.binaries = binaries;
        this.asUser = asUser;
        Port = port;
    }

    public int Port { get; }

    /// <summary>For Npgsql, database <c>postgres</c>.</summary>
    public string ConnectionString => $"Host=127.0.0.1;Port={Port};Username=elastictrain;Database=postgres;Timeout=5;Command Timeout=10";

    /// <summary>Why no server can be started here; null if one can.</summary>
    public static string? Missing
    {
        get
        {
            if (!OperatingSystem.IsLinux()) return "the PostgreSQL tests start a server of their own on Linux only";
            if (FindBinaries() is null) return "PostgreSQL is not installed (no initdb in /usr/lib/postgresql/*/bin or on PATH): apt-get install postgresql";
            return Environment.UserName == "root" && FindUser() is null
                ? "PostgreSQL does not run as root, and there is no setpriv or no user postgres or nobody to run it as" : null;
        }
    }

    /// <summary>Makes a database cluster and starts a server on a free loopback port.</summary>
    public static PostgresServer Start()
    {
        string binaries = FindBinaries() ?? throw new InvalidOperationException(Missing);
        string[] asUser = Environment.UserName == "root" ? FindUser() ?? throw new InvalidOperationException(Missing) : [];
        string folder = Directory.CreateTempSubdirectory("elastictrain-pg-").FullName;
        if (asUser.Length > 0) Run("chown", [asUser[0][(asUser[0].IndexOf('=') + 1)..], folder]);
        var server = new PostgresServer(folder, binaries, SetPriv(asUser), Ports.Free());
        try
        {
            server.Tool("initdb", "-D", server.Data, "-U", "elastictrain", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync");
            server.StartServer();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>Starts it again after <see cref="Stop"/>, on the same port.</summary>
    public void StartServer() => Tool("pg_ctl", "-D", Data, "-w", "-t", "30", "-l", Path.Combine(folder, "log"),
        "-o", $"-h 127.0.0.1 -p {Port} -k {folder} -c fsync=off -c max_connections=100", "start");

    /// <summary>Stops it, cutting connections.</summary>
    public void Stop() => Tool("pg_ctl", "-D", Data, "-m", "immediate", "-w", "stop");

    public void Dispose()
    {
        if (File.Exists(Path.Combine(Data, "postmaster.pid"))) Stop();
        Directory.Delete(folder, recursive: true);
    }

    private string Data => Path.Combine(folder, "data");

    private void Tool(string name, params string[] arguments)
    {
        string[] command = [.. asUser, Path.Combine(binaries, name), .. arguments];
        Run(command[0], command[1..]);
    }

    private static string? FindBinaries()
    {
        const string debian = "/usr/lib/postgresql";
        IEnumerable<string> versions = Directory.Exists(debian)
            ? Directory.GetDirectories(debian).OrderByDescending(d => int.TryParse(Path.GetFileName(d), out int v) ? v : 0).Select(d => Path.Combine(d, "bin")) : [];
        return versions.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            .FirstOrDefault(d => File.Exists(Path.Combine(d, "initdb")) && File.Exists(Path.Combine(d, "pg_ctl")));
    }

    /// <summary>The first entry names user and group ids for setpriv.</summary>
    private static string[]? FindUser()
    {
        if (!File.Exists("/usr/bin/setpriv") && !File.Exists("/bin/setpriv")) return null;
        string[][] users = [.. File.ReadLines("/etc/passwd").Select(l => l.Split(':')).Where(f => f.Length > 3 && f[0] is "postgres" or "nobody")];
        string[]? user = users.FirstOrDefault(u => u[0] == "postgres") ?? users.FirstOrDefault();
        return user is null ? null : [$"--reuid={user[2]}", $"--regid={user[3]}"];
    }

    private static string[] SetPriv(string[] ids) => ids.Length == 0 ? [] : ["setpriv", .. ids, "--clear-groups"];

    private static void Run(string file, IReadOnlyList<string> arguments)
    {
        // The server inherits what it is started with: a captured pipe would never end, so the output goes to a file.
        string log = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, WorkingDirectory = "/" };
            foreach (string a in (string[])["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1 </dev/null", "sh", log, file, .. arguments]) start.ArgumentList.Add(a);
            using Process process = Process.Start(start)!;
            if (!process.WaitForExit(TimeSpan.FromSeconds(60)))
            {
                process.Kill();
                throw new TimeoutException($"{file} did not end:\n{File.ReadAllText(log)}");
            }
            if (process.ExitCode != 0) throw new InvalidOperationException($"{file} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{File.ReadAllText(log)}");
        }
        finally
        {
            File.Delete(log);
        }
    }
}
