using System.Diagnostics;
using System.Text.Json;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using Microsoft.Data.Sqlite;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Journal;

[Collection(SmallRunsCollection.Name)]
public sealed class LockedJournalTests(SmallRuns runs)
{
    private static readonly TimeSpan Held = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(null)]
    [InlineData("2")]
    public async Task A_journal_locked_for_twenty_seconds_stops_the_steps_and_training_goes_on_afterwards(string? nodes)
    {
        using var run = new TestFolder();
        using ProcessUnderTest train = runs.Train(run, nodes is null ? [] : ["--nodes", nodes]);
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 10, "step 10");
        int step;
        using (WriteLock held = WriteLock.Take(run))
        {
            var (state, detail, first) = await StatusThatSaysAsync(run, "journal", train);
            Assert.Equal("waiting", state);
            Assert.Contains("does not confirm writes", detail);
            await held.HoldAsync(Held);
            step = SmallRuns.State(run).Committed.Count;
            Assert.Equal(first, step);
            var (stillWaiting, _, second) = await StatusThatSaysAsync(run, "journal", train);
            Assert.Equal(("waiting", step), (stillWaiting, second));
        }
        int code = await train.WaitForExitAsync(TimeSpan.FromMinutes(2));
        Assert.True(code == 0, $"train ended with {code}:\n{train.Output}\n{run.Describe()}");
        Assert.Contains("the journal does not confirm writes", train.Output);
        Assert.True(step < SmallRuns.Steps);
        await runs.AssertSameAsync(run);
    }

    [Fact]
    public async Task A_journal_locked_at_the_start_is_waited_for()
    {
        using TestFolder run = SmallRuns.Copy(runs.Undisturbed);
        // One step less of the last seal, so that there is something to write.
        File.Delete(Directory.GetFiles(run.File("checkpoints", "manifests")).Max()!);
        using WriteLock held = WriteLock.Take(run);
        using ProcessUnderTest train = runs.Train(run);
        var (state, _, _) = await StatusThatSaysAsync(run, "journal", train);
        Assert.Equal("waiting", state);
        await train.WaitForLineAsync("the journal");
        await held.HoldAsync(Held);
        held.Dispose();
        int code = await train.WaitForExitAsync(TimeSpan.FromMinutes(2));
        Assert.True(code == 0, $"train ended with {code}:\n{train.Output}");
        await runs.AssertSameAsync(run);
    }

    /// <summary>Asks <c>status</c> until its detail says the text; it must exit with 0 every time.</summary>
    private static async Task<(string State, string Detail, int Step)> StatusThatSaysAsync(TestFolder run, string text, ProcessUnderTest train)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var (code, output) = await SmallRuns.CommandAsync("status", "--json", "--run-dir", run);
            Assert.True(code == 0, $"status ended with {code}:\n{output}");
            using var status = JsonDocument.Parse(output);
            string detail = status.RootElement.GetProperty("detail").GetString()!;
            if (detail.Contains(text, StringComparison.Ordinal))
                return (status.RootElement.GetProperty("state").GetString()!, detail, status.RootElement.GetProperty("step").GetInt32());
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"status never named the {text}; last: {output}\n{train.Output}");
        }
    }

    /// <summary>Another process's write transaction on the journal, as far as SQLite can tell.</summary>
    private sealed class WriteLock : IDisposable
    {
        private readonly SqliteConnection connection;
        private readonly Stopwatch held = Stopwatch.StartNew();

        private WriteLock(SqliteConnection connection) => this.connection = connection;

        public static WriteLock Take(TestFolder run)
        {
            var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = run.File("journal", "journal.db"), Pooling = false, DefaultTimeout = 30 }.ToString());
            connection.Open();
            Execute(connection, "BEGIN IMMEDIATE");
            return new WriteLock(connection);
        }

        /// <summary>Completes when it has been held for so long.</summary>
        public Task HoldAsync(TimeSpan time) => Wait.UntilAsync(() => held.Elapsed >= time, "the lock's time is over", time + TimeSpan.FromSeconds(10));

        public void Dispose()
        {
            if (connection.State != System.Data.ConnectionState.Open) return;
            Execute(connection, "ROLLBACK");
            connection.Dispose();
        }

        private static void Execute(SqliteConnection connection, string sql)
        {
            using var command = connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
    }
}
