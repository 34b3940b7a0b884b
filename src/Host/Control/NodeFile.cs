using System.Security.Cryptography;
using System.Text.Json;
using ElasticTrain.Core;

namespace ElasticTrain.Host.Control;

/// <summary>
/// What a node leaves in DIR/nodes/NAME.json for commands and for the launcher: which process it is, where its control channel listens, and the
/// word that opens it. Readable by the user who started the node only.
/// </summary>
/// <param name="Name">The node's name, unique in the run.</param>
/// <param name="Pid">Its process number.</param>
/// <param name="StartTime">Its start, as <see cref="ProcessIdentity.Start"/>: a later process of the same number is another.</param>
/// <param name="Control">Where its <see cref="ControlServer"/> listens, <c>127.0.0.1:port</c>.</param>
/// <param name="Token">What a client must send.</param>
/// <param name="Cluster">
/// Its full Akka address once it is up in the cluster; null before. A seed node that comes back joins through it, so a node writes the file a second time when it is up.
/// </param>
public sealed record NodeFile(string Name, int Pid, long StartTime, string Control, string Token, string? Cluster = null)
{
    /// <summary>The process.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public ProcessIdentity Process => new(Pid, StartTime);

    /// <summary>The file of this process and this server.</summary>
    /// <param name="name">The node's name.</param>
    /// <param name="server">Its control server.</param>
    /// <param name="cluster">Its Akka address if it is up.</param>
    public static NodeFile For(string name, ControlServer server, string? cluster = null)
    {
        ProcessIdentity self = ProcessIdentity.Current;
        return new NodeFile(name, self.Pid, self.Start, server.Endpoint.ToString(), server.Token, cluster);
    }

    /// <summary>The folder of node files, pid files and logs.</summary>
    public static string Folder(string runDirectory) => Path.Combine(runDirectory, "nodes");

    /// <summary>A new random word, 128 bits in hex.</summary>
    public static string NewToken() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>Writes the file, and the process number alone to NAME.pid, each all or nothing.</summary>
    public void Write(string runDirectory)
    {
        string folder = Folder(runDirectory);
        AtomicFile.Write(Path.Combine(folder, $"{Name}.json"), stream =>
        {
            // Before the first byte of content: the token must at no time be readable by others.
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(stream.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            JsonSerializer.Serialize(stream, this, ControlJson.Options);
        });
        PidFile.Write(runDirectory, Name, Process);
    }

    /// <summary>The files of all nodes that live, by name. A file that cannot be read is not a live node's.</summary>
    public static IReadOnlyList<NodeFile> ReadLive(string runDirectory)
    {
        string folder = Folder(runDirectory);
        if (!Directory.Exists(folder)) return [];
        var live = new List<NodeFile>();
        foreach (string path in Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal))
            if (TryRead(path) is { Process.IsAlive: true } node) live.Add(node);
        return live;
    }

    private static NodeFile? TryRead(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<NodeFile>(File.ReadAllBytes(path), ControlJson.Options);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
