using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

/// <summary>Folders with damage that nobody thought of: each is read or refused as bad input.</summary>
public sealed class DamageTests : IDisposable
{
    private static readonly long[] Numbers = [-1, 0, 1, 2, 3, 7, 64, 65_536, 65_537, 1 << 24, 1L << 30, int.MaxValue, 1L << 31, long.MaxValue];

    private readonly string _folder = Directory.CreateTempSubdirectory("damage-").FullName;
    private readonly string _source = Path.Combine(AppContext.BaseDirectory, "Parity", "mtp-tiny");

    [Fact]
    public void Numbers_of_any_size_in_a_configuration_are_laid_out_or_refused_with_their_field()
    {
        JsonObject original = JsonNode.Parse(File.ReadAllText(Path.Combine(_source, "config.json")))!.AsObject();
        string[] fields = [.. original.Where(field => field.Value is JsonValue value && value.TryGetValue(out int _)).Select(field => field.Key)];
        string path = Path.Combine(_folder, "config.json");
        var random = new Random(3);
        int accepted = 0;
        for (int i = 0; i < 1500; i++)
        {
            JsonObject json = original.DeepClone().AsObject();
            for (int j = random.Next(1, 4); j > 0; j--) json[fields[random.Next(fields.Length)]] = Numbers[random.Next(Numbers.Length)];
            json["num_key_value_heads"] = json["num_attention_heads"]!.DeepClone();
            File.WriteAllText(path, json.ToJsonString());
            try
            {
                ParameterLayout layout = ParameterLayout.Create(ModelConfig.FromHuggingFace(path));
                var size = new ModelSize(layout);
                Assert.True(size.Total > 0 && size.Active >= 0 && size.Prediction >= 0 && layout.TotalLength > 0, json.ToJsonString());
                Assert.True(double.IsFinite(size.ActivationBytes(1, layout.Config.MaxPositionEmbeddings)) && size.ActivationBytes(1, layout.Config.MaxPositionEmbeddings) > 0, json.ToJsonString());
                accepted++;
            }
            catch (BadInputException error)
            {
                Assert.Contains(": ", error.Where, StringComparison.Ordinal);
            }
        }
        Assert.InRange(accepted, 100, 1400);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("model.safetensors")]
    public void A_file_with_damaged_text_is_read_or_refused(string name)
    {
        foreach (string file in (string[])["config.json", "model.safetensors"]) File.Copy(Path.Combine(_source, file), Path.Combine(_folder, file));
        byte[] whole = File.ReadAllBytes(Path.Combine(_source, name));
        int start = name == "config.json" ? 0 : 8, end = name == "config.json" ? whole.Length : 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        byte[] noise = Encoding.UTF8.GetBytes("{}[]\":,\\-.0159eEu \n\0\u00ff");
        var random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 600; i++)
        {
            byte[] damaged = [.. whole];
            for (int j = random.Next(1, 4); j > 0; j--) damaged[random.Next(start, end)] = noise[random.Next(noise.Length)];
            if (i % 4 == 0) damaged = damaged[..random.Next(whole.Length)];
            File.WriteAllBytes(Path.Combine(_folder, name), damaged);
            try
            {
                HuggingFaceModel.Load(_folder).Dispose();
            }
            catch (BadInputException error)
            {
                Assert.StartsWith(_folder, error.Message.Replace("model: ", _folder, StringComparison.Ordinal), StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.InRange(refused, 150, 600);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
