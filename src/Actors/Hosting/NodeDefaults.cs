namespace ElasticTrain.Actors.Hosting;

/// <summary>Settings of run nodes beyond those that they share with the Lighthouse, as HOCON text (the file hocon/node.conf).</summary>
public static class NodeDefaults
{
    /// <summary>The text of hocon/node.conf as it was when this assembly was built.</summary>
    public static string Hocon { get; } = Read();

    private static string Read()
    {
        const string name = "ElasticTrain.Actors.node.conf";
        using Stream stream = typeof(NodeDefaults).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
