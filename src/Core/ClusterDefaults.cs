namespace ElasticTrain.Core;

/// <summary>The settings that the Lighthouse and every node of a cluster share, as HOCON text (the file hocon/cluster.conf).</summary>
public static class ClusterDefaults
{
    /// <summary>The actor system's name when nothing else is said. All members of a cluster carry the same name.</summary>
    public const string SystemName = "ElasticTrain";

    /// <summary>The port of the first seed node when nothing else is said.</summary>
    public const int SeedPort = 4053;

    /// <summary>The text of hocon/cluster.conf as it was when this assembly was built.</summary>
    public static string Hocon { get; } = Read();

    private static string Read()
    {
        const string name = "ElasticTrain.Core.cluster.conf";
        using Stream stream = typeof(ClusterDefaults).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
