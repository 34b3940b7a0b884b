using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using ElasticTrain.Core;
using ElasticTrain.Core.Safetensors;

namespace ElasticTrain.Model.Tests;

public sealed class HuggingFaceTests : IDisposable
{
    private const string Norm = "model.layers.1.input_layernorm.weight";
    private readonly string _folder = Directory.CreateTempSubdirectory("hf-").FullName;

    [Theory]
    [InlineData("v3-tiny", null)]
    [InlineData("v3-yarn", 100_000L)]
    [InlineData("v2lite-tiny", 40_000L)]
    [InlineData("mtp-tiny", null)]
    [InlineData("mtp-tiny", 1L)]
    public void A_round_trip_is_bit_exact(string name, long? maxBytes)
    {
        string source = Parity(name), copy = Path.Combine(_folder, "copy");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "source")).FullName, "tokenizer.json"), "{}");
        foreach (string file in (string[])["config.json", "model.safetensors"]) File.Copy(Path.Combine(source, file), Path.Combine(_folder, "source", file));
        using HuggingFaceModel model = HuggingFaceModel.Load(Path.Combine(_folder, "source"));
        HuggingFaceExport.Write(model.Layout, model.Parameters, copy, new ExportOptions(MaxShardBytes: maxBytes ?? 5_000_000_000), model.Folder);
        using HuggingFaceModel again = HuggingFaceModel.Load(copy);
        Assert.Equal(model.Layout.Config, again.Layout.Config);
        Assert.True(model.Parameters.Span.SequenceEqual(again.Parameters.Span));
        Assert.Equal("{}", File.ReadAllText(Path.Combine(copy, "tokenizer.json")));
        Assert.Equal(1, (int)JsonNode.Parse(File.ReadAllText(Path.Combine(copy, "generation_config.json")))!["eos_token_id"]!);
        if (maxBytes is null) Assert.Equal(File.ReadAllBytes(Path.Combine(source, "model.safetensors")), File.ReadAllBytes(Path.Combine(copy, "model.safetensors")));
        else Assert.True(Directory.GetFiles(copy, "model-*-of-*.safetensors").Length > 1);
        Assert.Empty(Directory.GetFileSystemEntries(_folder, "*.tmp"));
    }

    [Fact]
    public void The_prediction_module_can_be_left_out()
    {
        using HuggingFaceModel model = HuggingFaceModel.Load(Parity("mtp-tiny"));
        string copy = Path.Combine(_folder, "copy");
        HuggingFaceExport.Write(model.Layout, model.Parameters, copy, new ExportOptions(WithoutMtp: true), model.Folder);
        using HuggingFaceModel again = HuggingFaceModel.Load(copy);
        Assert.Equal(model.Layout.Config with { NumNextnPredictLayers = 0 }, again.Layout.Config);
        foreach (ParameterInfo p in again.Layout.Parameters)
            Assert.True(again.Parameters.Slice(p.Offset, (int)p.Length).SequenceEqual(model.Parameters.Slice(model.Layout[p.Name].Offset, (int)p.Length)), p.Name);
    }

    [Fact]
    public void Weights_in_half_precision_are_read_exactly_and_written_rounded_to_even()
    {
        string copy = Path.Combine(_folder, "copy"), second = Path.Combine(_folder, "second");
        using HuggingFaceModel model = HuggingFaceModel.Load(Parity("v3-tiny"));
        HuggingFaceExport.Write(model.Layout, model.Parameters, copy, new ExportOptions(IsBfloat16: true));
        using HuggingFaceModel rounded = HuggingFaceModel.Load(copy);
        for (int i = 0; i < model.Parameters.Length; i++) Assert.Equal(model.Parameters.Span[i], rounded.Parameters.Span[i], Math.Abs(model.Parameters.Span[i]) / 256);
        HuggingFaceExport.Write(rounded.Layout, rounded.Parameters, second, new ExportOptions(IsBfloat16: true));
        Assert.Equal(File.ReadAllBytes(Path.Combine(copy, "model.safetensors")), File.ReadAllBytes(Path.Combine(second, "model.safetensors")));

        string path = Path.Combine(_folder, "half.safetensors");
        Half[] values = [Half.Epsilon, Half.MaxValue, (Half)(-0.333), (Half)1];
        using (FileStream stream = File.Create(path))
            SafetensorsFile.Write(stream, [new SafetensorsContent("x", "F16", [4], () => [System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray()])]);
        using SafetensorsReader reader = SafetensorsReader.Open(path);
        float[] read = new float[3];
        reader.ReadAsFloat("x", 1, read);
        Assert.Equal([65504f, (float)(Half)(-0.333), 1f], read);
    }

    public static TheoryData<string, string> Damage => new()
    {
        { "missing", Norm }, { "extra", "model.layers.1.what" }, { "shape", Norm }, { "nan", Norm }, { "infinite", Norm }, { "integers", Norm },
        { "truncated", "model.safetensors" }, { "offsets beyond the end", Norm }, { "overlap", "model.safetensors" }, { "no header", "model.safetensors" },
        { "copy that differs", "model.layers.2.embed_tokens.weight" }, { "no weights", "model.safetensors" }, { "no config", "config.json" },
    };

    [Theory]
    [MemberData(nameof(Damage))]
    public void A_bad_file_is_refused_with_its_tensor(string kind, string named)
    {
        string source = Parity("mtp-tiny"), path = Path.Combine(_folder, "model.safetensors");
        File.Copy(Path.Combine(source, "config.json"), Path.Combine(_folder, "config.json"));
        File.Copy(Path.Combine(source, "model.safetensors"), path);
        switch (kind)
        {
            case "missing": Rewrite(path, (header, _) => header.Add("model.layers.1.input_layernorm.weights", Take(header, Norm))); break;
            case "extra": Rewrite(path, (header, data) => header.Add("model.layers.1.what", new JsonObject { ["dtype"] = "F32", ["shape"] = new JsonArray(0), ["data_offsets"] = new JsonArray(data.Length, data.Length) })); break;
            case "shape": Rewrite(path, (header, _) => header[Norm]!["shape"] = new JsonArray(6, 8)); break;
            case "nan": Rewrite(path, (header, data) => BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan((int)header[Norm]!["data_offsets"]![0]! + 8), float.NaN)); break;
            case "infinite": Rewrite(path, (header, data) => BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan((int)header[Norm]!["data_offsets"]![0]!), float.NegativeInfinity)); break;
            case "integers": Rewrite(path, (header, _) => header[Norm]!["dtype"] = "I32"); break;
            case "truncated": File.WriteAllBytes(path, File.ReadAllBytes(path)[..^100]); break;
            case "offsets beyond the end": Rewrite(path, (header, data) => header[Norm]!["data_offsets"] = new JsonArray(data.Length, data.Length + 192)); break;
            case "overlap": Rewrite(path, (header, _) => header[Norm]!["data_offsets"] = new JsonArray(0, 192)); break;
            case "no header": File.WriteAllText(path, "not a file of tensors at all"); break;
            case "copy that differs": Rewrite(path, (header, data) => data[(int)header["model.layers.2.embed_tokens.weight"]!["data_offsets"]![0]! + 3] ^= 1); break;
            case "no weights": File.Delete(path); break;
            default: File.Delete(Path.Combine(_folder, "config.json")); break;
        }
        Assert.Contains(named, Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(_folder)).Message);
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("sub/model.safetensors")]
    [InlineData("none.safetensors")]
    [InlineData("")]
    public void An_index_that_points_out_of_the_folder_or_nowhere_is_refused(string file)
    {
        string index = Sharded(map => map[Norm] = file);
        string message = Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(Path.GetDirectoryName(index)!)).Message;
        if (file == "none.safetensors") Assert.Contains("none.safetensors", message);
        else Assert.StartsWith($"{index}: weight_map", message);
    }

    [Fact]
    public void An_index_that_says_something_else_than_the_files_is_refused_with_the_tensor()
    {
        string folder = Path.GetDirectoryName(Sharded(map => map.Remove(Norm)))!;
        Assert.Contains(Norm, Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(folder)).Message);
        Directory.Delete(folder, true);
        folder = Path.GetDirectoryName(Sharded(map => map["model.nothing"] = map[Norm]!.DeepClone()))!;
        Assert.Contains("model.nothing", Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(folder)).Message);
        Directory.Delete(folder, true);
        folder = Path.GetDirectoryName(Sharded(map => map[Norm] = 3))!;
        Assert.Contains("weight_map." + Norm, Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(folder)).Message);
    }

    [Fact]
    public void A_tensor_that_the_index_places_twice_is_refused()
    {
        string index = Sharded(_ => { });
        File.WriteAllText(index, File.ReadAllText(index).Replace($"\"{Norm}\"", $"\"{Norm}\":\"model-00001-of-00009.safetensors\",\"{Norm}\"", StringComparison.Ordinal));
        Assert.Contains($"\"{Norm}\" twice", Assert.Throws<BadInputException>(() => HuggingFaceModel.Load(Path.GetDirectoryName(index)!)).Message);
    }

    [Fact]
    public void Tokens_that_the_model_does_not_take_are_named_with_their_place()
    {
        using HuggingFaceModel model = HuggingFaceModel.Load(Parity("v3-tiny"));
        string Refused(int[][] rows) => Assert.Throws<BadInputException>(() => ForwardReport.Compute(model.Layout, model.Parameters, rows, false)).Where;
        Assert.Equal("input_ids[1][2]", Refused([[1, 2, 3], [1, 2, model.Layout.Config.VocabSize]]));
        Assert.Equal("input_ids[0][1]", Refused([[1, -1]]));
        Assert.Equal("input_ids", Refused([new int[model.Layout.Config.MaxPositionEmbeddings + 1]]));
    }

    [Fact]
    public void An_export_never_writes_into_something_that_is_there()
    {
        using HuggingFaceModel model = HuggingFaceModel.Load(Parity("v3-tiny"));
        File.WriteAllText(Path.Combine(_folder, "precious"), "x");
        Assert.Throws<BadInputException>(() => HuggingFaceExport.Write(model.Layout, model.Parameters, _folder, new ExportOptions()));
        Assert.Equal("x", File.ReadAllText(Path.Combine(_folder, "precious")));
        model.Parameters.Span[17] = float.NaN;
        string copy = Path.Combine(_folder, "copy");
        Assert.Contains("model.embed_tokens.weight", Assert.Throws<BadInputException>(() => HuggingFaceExport.Write(model.Layout, model.Parameters, copy, new ExportOptions())).Message);
        Assert.False(Directory.Exists(copy));
        Assert.Single(Directory.GetFileSystemEntries(_folder));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string Parity(string name) => Path.Combine(AppContext.BaseDirectory, "Parity", name);

    private static JsonNode Take(JsonObject header, string name)
    {
        JsonNode node = header[name]!;
        header.Remove(name);
        return node;
    }

    /// <summary>Changes header and data of a file.</summary>
    private static void Rewrite(string path, Action<JsonObject, byte[]> change)
    {
        byte[] file = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        JsonObject header = JsonNode.Parse(Encoding.UTF8.GetString(file, 8, length))!.AsObject();
        byte[] data = file[(8 + length)..], prefix = new byte[8];
        change(header, data);
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        BinaryPrimitives.WriteInt64LittleEndian(prefix, json.Length);
        File.WriteAllBytes(path, [.. prefix, .. json, .. data]);
    }

    /// <summary>A model in several files with a changed index; its path.</summary>
    private string Sharded(Action<JsonObject> change)
    {
        string folder = Path.Combine(_folder, "sharded"), index = Path.Combine(folder, "model.safetensors.index.json");
        using (HuggingFaceModel model = HuggingFaceModel.Load(Parity("v3-tiny"))) HuggingFaceExport.Write(model.Layout, model.Parameters, folder, new ExportOptions(MaxShardBytes: 50_000));
        JsonObject json = JsonNode.Parse(File.ReadAllText(index))!.AsObject();
        change(json["weight_map"]!.AsObject());
        File.WriteAllText(index, json.ToJsonString());
        return index;
    }
}
