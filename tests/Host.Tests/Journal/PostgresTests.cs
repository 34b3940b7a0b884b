using System.Diagnostics;
using System.Text.Json;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Journal;

/// <summary>A server for the tests of this class; they skip themselves where there can be none.</summary>
public sealed class SharedPostgres : IDisposable
{
    private PostgresServer? server;

    public PostgresServer Server => server ??= PostgresServer.Start();

    public void Dispose() => server?.Dispose();
}

[Collection(SmallRunsCollection.Name)]
public sealed class PostgresTests(SmallRuns runs, SharedPostgres shared) : IClassFixture<SharedPostgres>
{
    private const string Password = "geheim-4711";
    private static readonly TimeSpan Down = TimeSpan.FromSeconds(20);

    [SkippableTheory]
    [InlineData(null)]
    [InlineData("2")]
    public async Task Two_lines_of_the_plan_put_the_journal_into_PostgreSQL_and_change_no_bit(string? nodes)
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        using var run = new TestFolder();
        string output = await runs.FinishAsync(run, [.. Journal, .. nodes is null ? [] : (string[])["--nodes", nodes]]);
        Assert.False(File.Exists(run.File("journal", "journal.db")), "the journal is in SQLite");
        await runs.AssertSameAsync(run);
        var (code, events) = await SmallRuns.CommandAsync("events", "--run-dir", run);
        Assert.True(code == 0, events);
        Assert.Equal(SmallRuns.Steps, events.Split('\n').Count(l => l.Contains("StepCommitted", StringComparison.Ordinal)));
        var (statusCode, status) = await SmallRuns.CommandAsync("status", "--json", "--run-dir", run);
        Assert.True(statusCode == 0, status);
        using (var json = JsonDocument.Parse(status)) Assert.Equal("finished", json.RootElement.GetProperty("state").GetString());

        // The password stands in the plan's copy, which is its owner's alone, and nowhere else.
        Assert.DoesNotContain(Password, output + events + status + run.Describe());
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(run.File("plan.conf")));
        string[] holders = [.. Directory.GetFiles(run, "*", SearchOption.AllDirectories).Where(f => File.ReadAllText(f).Contains(Password, StringComparison.Ordinal))];
        Assert.Equal([run.File("plan.conf")], holders);
    }

    [SkippableFact]
    public async Task A_server_down_for_twenty_seconds_stops_the_steps_and_training_goes_on_afterwards()
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        PostgresServer server = shared.Server;
        using var run = new TestFolder();
        using ProcessUnderTest train = runs.Train(run, Journal);
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 10, "step 10");
        server.Stop();
        var down = Stopwatch.StartNew();
        try
        {
            string detail = await StatusNamingTheJournalAsync(run, train);
            Assert.DoesNotContain(Password, detail);
            await Wait.UntilAsync(() => down.Elapsed >= Down, "the server has been down long enough");
            Assert.False(train.HasExited, train.Output);
        }
        finally
        {
            server.StartServer();
        }
        int code = await train.WaitForExitAsync(TimeSpan.FromMinutes(2));
        Assert.True(code == 0, $"train ended with {code}:\n{train.Output}");
        Assert.Contains("the journal", train.Output);
        Assert.DoesNotContain(Password, train.Output);
        await runs.AssertSameAsync(run);
    }

    private string[] Journal =>
        ["--set", "journal.provider=postgresql", "--set", $"journal.connection-string={shared.Server.ConnectionString};Password={Password}"];

    private static async Task<string> StatusNamingTheJournalAsync(TestFolder run, ProcessUnderTest train)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var (code, output) = await SmallRuns.CommandAsync("status", "--json", "--run-dir", run);
            Assert.True(code == 0, $"status ended with {code}:\n{output}");
            using var status = JsonDocument.Parse(output);
            string detail = status.RootElement.GetProperty("detail").GetString()!;
            if (detail.Contains("journal", StringComparison.Ordinal)) return detail;
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"status never named the journal; last: {output}\n{train.Output}");
        }
    }
}
