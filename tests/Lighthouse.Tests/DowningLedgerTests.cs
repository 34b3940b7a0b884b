using Akka.Configuration;
using ElasticTrain.Core;
using ElasticTrain.Membership;
using Microsoft.Data.Sqlite;

namespace ElasticTrain.Lighthouse.Tests;

public sealed class DowningLedgerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("elastictrain-ledger-").FullName;

    [Fact]
    public async Task Whoever_was_put_out_may_not_put_others_out()
    {
        Assert.True(await PutOutAsync("a", ["b", "c"]));
        Assert.False(await PutOutAsync("b", ["a"]));
        Assert.False(await PutOutAsync("c", ["a", "b"]));
        Assert.True(await PutOutAsync("a", ["d"]));
    }

    [Fact]
    public async Task A_side_whose_head_died_after_it_had_decided_decides_through_the_next_one()
    {
        Assert.True(await PutOutAsync("a", ["c"], ["b"]));
        Assert.True(await PutOutAsync("b", ["a"]));
    }

    [Fact]
    public async Task Who_is_reachable_after_all_was_not_put_out()
    {
        Assert.True(await PutOutAsync("a", ["b"]));
        Assert.True(await PutOutAsync("a", ["c"], ["b"]));
        Assert.True(await PutOutAsync("b", ["a"]));
    }

    [Fact]
    public async Task A_refusal_writes_nothing()
    {
        Assert.True(await PutOutAsync("a", ["b"]));
        Assert.False(await PutOutAsync("b", ["a"]));
        Assert.True(await PutOutAsync("a", ["d"]));
    }

    [Fact]
    public async Task Of_sides_that_ask_at_the_same_time_exactly_one_goes_on()
    {
        for (int round = 0; round < 25; round++)
        {
            string[] sides = [.. Enumerable.Range(0, 4).Select(i => $"{round}-{i}")];
            bool[] may = await Task.WhenAll(sides.Select(side => Task.Run(() => PutOutAsync(side, [.. sides.Where(s => s != side)]))));
            Assert.Single(may, true);
        }
    }

    [Fact]
    public async Task A_database_that_cannot_be_opened_is_an_error_and_no_answer()
    {
        var ledger = new DowningLedger(LedgerSettings.OfFile(Path.Combine(folder, "missing", "membership.db")));
        await Assert.ThrowsAsync<SqliteException>(() => ledger.TryPutOutAsync("a", [], ["b"], CancellationToken.None));
    }

    [Fact]
    public void Settings_travel_as_HOCON_and_as_environment()
    {
        LedgerSettings settings = LedgerSettings.OfFile(Path.Combine(folder, "a \"quoted\" name.db"));
        Assert.Equal(settings, LedgerSettings.Read(ConfigurationFactory.ParseString(settings.Hocon).GetConfig(LedgerSettings.Path)));
        ClusterEnvironment environment = ClusterEnvironment.Read(settings.Variables.ToDictionary(), 0);
        Assert.Equal(settings, LedgerSettings.Read(ConfigurationFactory.ParseString(environment.Overrides).GetConfig(LedgerSettings.Path)));
    }

    [Theory]
    [InlineData("mysql", "Host=a", "sqlite or postgresql")]
    [InlineData("postgresql", "Nonsense=1", "Nonsense")]
    public void Settings_that_cannot_be_meant_are_refused(string provider, string connection, string expected)
    {
        var section = ConfigurationFactory.ParseString($"provider = \"{provider}\"\nconnection-string = \"{connection}\"");
        Assert.Contains(expected, Assert.Throws<BadInputException>(() => LedgerSettings.Read(section)).Message, StringComparison.OrdinalIgnoreCase);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Task<bool> PutOutAsync(string self, string[] unreachable, string[]? others = null) =>
        new DowningLedger(LedgerSettings.OfFile(Path.Combine(folder, "membership.db"))).TryPutOutAsync(self, [self, .. others ?? []], unreachable, CancellationToken.None);
}
