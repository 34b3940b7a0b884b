using System.Text.Json;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model;

/// <summary>The safetensors files of a Hugging Face folder, one or several with an index, as one set of tensors.</summary>
internal sealed class CheckpointFiles : IDisposable
{
    internal const string SingleFile = "model.safetensors", IndexFile = "model.safetensors.index.json";
    private readonly List<SafetensorsReader> _readers = [];
    private readonly Dictionary<string, (string Path, SafetensorsReader Reader)> _tensors = new(StringComparer.Ordinal);

    private CheckpointFiles()
    {
    }

    /// <summary>The tensors by name.</summary>
    internal IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Opens the files and checks their headers, and the index against them.</summary>
    /// <exception cref="BadInputException">A file is missing, damaged, outside the folder, or says something else than the index.</exception>
    internal static CheckpointFiles Open(string folder)
    {
        var files = new CheckpointFiles();
        try
        {
            string single = Path.Combine(folder, SingleFile), index = Path.Combine(folder, IndexFile);
            if (File.Exists(single)) files.Add(single);
            else if (File.Exists(index)) files.AddIndexed(folder, index);
            else throw new BadInputException(folder, $"neither {SingleFile} nor {IndexFile}", "one of them");
            return files;
        }
        catch (CorruptionException error)
        {
            files.Dispose();
            throw Refused(error);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    internal bool Has(string name) => _tensors.ContainsKey(name);

    /// <summary>File and header entry of a tensor.</summary>
    internal (string Where, SafetensorsEntry Entry) Describe(string name)
    {
        var (path, reader) = _tensors[name];
        return ($"{path}: {name}", reader.Entries[name]);
    }

    /// <summary>Reads values of a tensor as fp32.</summary>
    /// <exception cref="BadInputException">Its element type is no floating-point type that is read, a value is no finite number, or the file became shorter.</exception>
    internal void Read(string name, long first, Span<float> destination)
    {
        var (path, reader) = _tensors[name];
        try
        {
            reader.ReadAsFloat(name, first, destination);
        }
        catch (CorruptionException error)
        {
            throw Refused(error);
        }
        RequireFinite($"{path}: {name}", destination, first);
    }

    /// <summary>Refuses NaN and infinities.</summary>
    /// <param name="where">The tensor.</param>
    /// <param name="values">A part of it.</param>
    /// <param name="first">Index of the part's first value in the tensor.</param>
    internal static void RequireFinite(string where, ReadOnlySpan<float> values, long first)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i])) throw new BadInputException(where, $"{values[i]} at index {first + i}", "finite numbers");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsReader reader in _readers) reader.Dispose();
    }

    /// <summary>To somebody who imports it, a damaged file is bad input.</summary>
    private static BadInputException Refused(CorruptionException error) => new(error.Where, error.Found, error.Expected, error);

    private SafetensorsReader Add(string path)
    {
        SafetensorsReader reader = SafetensorsReader.Open(path);
        _readers.Add(reader);
        foreach (string name in reader.Entries.Keys)
        {
            if (!_tensors.TryAdd(name, (path, reader))) throw new BadInputException($"{path}: {name}", $"a tensor that {_tensors[name].Path} has as well", "each tensor once");
        }
        return reader;
    }

    private void AddIndexed(string folder, string index)
    {
        Dictionary<string, string> map = ReadIndex(index);
        string[] names = [.. map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        foreach (string file in names)
        {
            if (file != Path.GetFileName(file) || file is "" or "." or "..")
                throw new BadInputException($"{index}: weight_map", $"the file \"{file}\"", "the name of a file inside the folder");
            if (!File.Exists(Path.Combine(folder, file))) throw new BadInputException(Path.Combine(folder, file), "no such file", $"the one that {IndexFile} names");
        }
        foreach (string file in names)
        {
            SafetensorsReader reader = Add(Path.Combine(folder, file));
            foreach (string name in reader.Entries.Keys)
            {
                if (!map.TryGetValue(name, out string? mapped) || mapped != file)
                    throw new BadInputException($"{Path.Combine(folder, file)}: {name}", "a tensor that the index does not place here", $"the tensors of weight_map in {IndexFile}");
            }
        }
        foreach (var (name, file) in map)
        {
            if (!_tensors.ContainsKey(name)) throw new BadInputException($"{Path.Combine(folder, file)}: {name}", "no such tensor", $"the one that {IndexFile} promises");
        }
    }

    private static Dictionary<string, string> ReadIndex(string path) => JsonFile.Read(path, "an index file that can be read", "a JSON object", root =>
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("weight_map", out JsonElement weights) || weights.ValueKind != JsonValueKind.Object)
            throw new BadInputException($"{path}: weight_map", "no such object", "an object of tensor names and file names");
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (JsonProperty entry in weights.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String) throw new BadInputException($"{path}: weight_map.{entry.Name}", entry.Value.GetRawText(), "a file name");
            map.Add(entry.Name, entry.Value.GetString()!);
        }
        return map;
    });
}
