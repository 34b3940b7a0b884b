using System.Text.Json;
using ElasticTrain.Data.Sources;
using Parquet;
using Parquet.Schema;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class ParquetSourceTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Rows_are_documents_and_single_values_metadata_the_same_in_every_culture()
    {
        var schema = new ParquetSchema(
            new DataField<string>("url"), new DataField<string>("text"), new DataField<long?>("tokens"), new DataField<double>("score"), new DataField<DateTime>("when"), new DataField<bool>("ok"),
            new StructField("meta", new DataField<string>("set"), new DataField<double?>("weight")));
        string path = _folder["a.parquet"];
        await Write(path, schema, 2, async (group, fields) =>
        {
            await group.WriteAsync(fields[0], ["http://a", "http://b", null!]);
            await group.WriteAsync(fields[1], ["Grüße\n", "zwei", "drei"]);
            await group.WriteAsync<long>(fields[2], new long?[] { 1, null, 3 });
            await group.WriteAsync<double>(fields[3], new[] { 0.1, 1234.5, double.NaN });
            await group.WriteAsync<DateTime>(fields[4], new DateTime[] { new(2024, 1, 2, 3, 4, 5, DateTimeKind.Utc), default, default });
            await group.WriteAsync<bool>(fields[5], new[] { true, false, true });
            await group.WriteAsync(fields[6], ["pile \"é\"", null!, "x"]);
            await group.WriteAsync<double>(fields[7], new double?[] { 1.5, null, double.NaN });
        });
        var items = ReadAgain(path);
        Assert.Equal(["Grüße\n", "zwei", "drei", "Grüße\n", "zwei", "drei"], Texts(items));
        Assert.Equal(Enumerable.Range(1, 6).Select(row => $"a.parquet#{row}"), items.Select(item => item.Id));
        var metadata = Document(items[3]).Metadata;
        Assert.Equal(["url", "tokens", "score", "when", "ok", "meta"], metadata.Select(item => item.Key));
        Assert.Equal(("http://a", "1", "0.1", "true"), (metadata["url"], metadata["tokens"], metadata["score"], metadata["ok"]));
        Assert.StartsWith("2024-01-02T03:04:05", metadata["when"]);
        var meta = JsonDocument.Parse(metadata["meta"]!).RootElement;
        Assert.Equal(("pile \"é\"", 1.5), (meta.GetProperty("set").GetString(), meta.GetProperty("weight").GetDouble()));
        Assert.Equal(["url", "score", "when", "ok"], Document(items[1]).Metadata.Select(item => item.Key));
        Assert.Equal("NaN", JsonDocument.Parse(Document(items[2]).Metadata["meta"]!).RootElement.GetProperty("weight").GetString());
    }

    [Fact]
    public async Task Invalid_Utf8_missing_and_empty_texts_cost_their_row_alone()
    {
        var schema = new ParquetSchema(new DataField<byte[]>("text"));
        string path = _folder["a.parquet"];
        await Write(path, schema, 1, (group, fields) => group.WriteAsync(fields[0], [[.. "a"u8], [65, 0xFF], null!, [], [.. "much too long"u8], [.. "ä"u8]]));
        var items = ReadAgain(path, new SourceOptions { MaxRecordBytes = 10, SectionBytes = 10 });
        Assert.Equal(["a", "ä"], Texts(items));
        Assert.Contains("0xFF at offset 1", Quarantined(items[1], QuarantineKind.Encoding).Reason);
        Assert.Equal("a.parquet, row 3", Quarantined(items[2], QuarantineKind.NoText).Where);
        Quarantined(items[3], QuarantineKind.NoText);
        Quarantined(items[4], QuarantineKind.TooLong);
    }

    [Fact]
    public async Task Strings_and_bytes_are_both_checked_for_Utf8()
    {
        // A column of strings too, whose bytes the library would replace: the schema says UTF-8 and the data are not.
        var bytes = new ParquetSchema(new DataField("text", typeof(byte[]), false));
        string path = _folder["a.parquet"];
        await Write(path, bytes, 1, (group, fields) => group.WriteAsync(fields[0], [[.. "good"u8], [.. "XYXYXY"u8]]));
        var text = new ParquetSchema(new DataField("text", typeof(string), false));
        await Write(_folder["b.parquet"], text, 1, (group, fields) => group.WriteAsync(fields[0], ["good", "XYXYXY"]), CompressionMethod.None);
        byte[] content = File.ReadAllBytes(_folder["b.parquet"]);
        for (int at; (at = content.AsSpan().IndexOf("XYXYXY"u8)) >= 0;) content[at] = 0xFF;
        var items = _folder.Read("b.parquet", content);
        Assert.Equal(["good"], Texts(items));
        Quarantined(items[1], QuarantineKind.Encoding);
        Assert.Equal(["good", "XYXYXY"], Texts(ReadAgain(path)));
    }

    [Fact]
    public async Task Prompts_and_completions_are_columns_too()
    {
        var schema = new ParquetSchema(new DataField<string>("completion"), new DataField<string>("prompt"));
        await Write(_folder["a.parquet"], schema, 1, async (group, fields) =>
        {
            await group.WriteAsync(fields[0], ["C"]);
            await group.WriteAsync(fields[1], ["é🙂"]);
        });
        var document = Document(Assert.Single(ReadAgain(_folder["a.parquet"])));
        Assert.Equal(("é🙂C", 3, 6), (document.Text, document.PromptChars, document.PromptBytes));
    }

    [Fact]
    public async Task A_file_without_a_text_column_says_which_columns_it_has()
    {
        var schema = new ParquetSchema(new DataField<string>("body"), new DataField<int>("text"));
        await Write(_folder["a.parquet"], schema, 1, async (group, fields) =>
        {
            await group.WriteAsync(fields[0], ["x"]);
            await group.WriteAsync<int>(fields[1], new[] { 1 });
        });
        Assert.Contains("the columns body (String), text (Int32); expected a column of strings named text", Quarantined(Assert.Single(ReadAgain(_folder["a.parquet"])), QuarantineKind.NoText).Reason);
        Assert.Equal(["x"], Texts(ReadAgain(_folder["a.parquet"], new SourceOptions { TextFields = ["body"] })));
    }

    [Fact]
    public async Task Damage_is_told_after_the_rows_before_it()
    {
        string path = _folder["a.parquet"];
        await Write(path, new ParquetSchema(new DataField("text", typeof(string), false)), 3, (group, fields) => group.WriteAsync(fields[0], Lines(20).TrimEnd().Split('\n')));
        byte[] content = File.ReadAllBytes(path);
        Assert.Equal(60, Texts(ReadAgain(path)).Count());
        Assert.Contains("cut off", Quarantined(Assert.Single(_folder.Read("b.parquet", content[..^100])), QuarantineKind.Damaged).Reason);
        Quarantined(Assert.Single(_folder.Read("c.parquet", "no parquet")), QuarantineKind.Damaged);
        Quarantined(Assert.Single(_folder.Read("d.parquet", "")), QuarantineKind.NoText);
        byte[] broken = [.. content];
        broken.AsSpan(content.Length / 2, 300).Fill(0xEE);
        var items = _folder.Read("e.parquet", broken);
        Assert.Equal(20, Texts(items).Count());
        Assert.Equal(21, items.Count);
        Assert.Contains("row group 2", Quarantined(items[^1], QuarantineKind.Damaged).Reason);
        var small = ReadAgain(path, new SourceOptions { MaxGroupBytes = 100 });
        Assert.Equal(3, small.Count);
        Assert.All(small, item => Quarantined(item, QuarantineKind.TooLong));
    }

    [Fact]
    public async Task Random_damage_never_ends_in_another_exception_or_without_an_end()
    {
        string path = _folder["a.parquet"];
        await Write(path, new ParquetSchema(new DataField<string>("text"), new DataField<string>("url")), 2, async (group, fields) =>
        {
            for (int i = 0; i < 2; i++) await group.WriteAsync(fields[i], [.. Lines(20).Split('\n')]);
        });
        byte[] content = File.ReadAllBytes(path);
        var random = new Random(2);
        for (int i = 0; i < 60; i++)
        {
            byte[] broken = [.. content];
            for (int flips = random.Next(1, 4); flips > 0; flips--) broken[random.Next(4, content.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(_folder["b.parquet"], broken);
            Assert.InRange(new SourceReader().Read(FileOf(_folder["b.parquet"])).Count(), 1, 1000);
        }
    }

    private static async Task Write(string path, ParquetSchema schema, int groups, Func<ParquetRowGroupWriter, DataField[], Task> write, CompressionMethod compression = CompressionMethod.Snappy)
    {
        await using var stream = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(schema, stream, new ParquetOptions { CompressionMethod = compression });
        for (int i = 0; i < groups; i++)
        {
            using var group = writer.CreateRowGroup();
            await write(group, schema.GetDataFields());
        }
    }
}
