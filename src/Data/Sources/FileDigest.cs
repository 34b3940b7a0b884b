using ElasticTrain.Core;

namespace ElasticTrain.Data.Sources;

/// <summary>SHA-256 of files' contents, for content addressing.</summary>
public static class FileDigest
{
    /// <summary>The digest of a file's bytes as they are stored.</summary>
    /// <exception cref="BadInputException">The file cannot be read.</exception>
    public static Digest256 Of(string path)
    {
        using var digest = new DigestBuilder();
        using var file = SourceBytes.OpenFile(path);
        byte[] buffer = new byte[128 << 10];
        try
        {
            for (int read; (read = file.Read(buffer)) > 0;) digest.Add(buffer.AsSpan(0, read));
        }
        catch (IOException error)
        {
            throw new BadInputException(path, error.Message, "a file that can be read", error);
        }
        return digest.Finish();
    }

    /// <summary>The digest of a source file; where it stands for several, of their names and digests.</summary>
    /// <exception cref="BadInputException">A file cannot be read.</exception>
    public static Digest256 Of(SourceFile file)
    {
        if (file.Parts.Count == 0) return Of(file.Path);
        using var digest = new DigestBuilder();
        foreach (var part in file.Parts) digest.Add(part.Name).Add(Of(part.Path));
        return digest.Finish();
    }
}
