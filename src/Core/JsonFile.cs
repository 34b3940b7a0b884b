using System.Text;
using System.Text.Json;

namespace ElasticTrain.Core;

/// <summary>JSON files that a user gave: what is wrong with one is bad input.</summary>
public static class JsonFile
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="file">What the file should be, for the message if it cannot be read.</param>
    /// <param name="json">What it should hold, for the message if it is no JSON.</param>
    /// <param name="read">Gets the root, which lives as long as the call.</param>
    /// <exception cref="BadInputException">The file is missing, cannot be read, is a folder, is no JSON, or says something twice.</exception>
    public static T Read<T>(string path, string file, string json, Func<JsonElement, T> read)
    {
        if (path.Length == 0) throw new BadInputException("a path", "empty text", file);
        if (Directory.Exists(path)) throw new BadInputException(path, "a folder", file);
        try
        {
            using JsonDocument document = StrictJson.Parse(Encoding.UTF8.GetBytes(File.ReadAllText(path)));
            return read(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new BadInputException(path, $"text that is no JSON ({error.Message})", json, error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(path, error is FileNotFoundException or DirectoryNotFoundException ? "no such file" : error.Message, file, error);
        }
    }
}
