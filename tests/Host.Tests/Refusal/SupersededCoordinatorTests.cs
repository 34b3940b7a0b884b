using System.Text.Json;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Tests.Harness;
using ElasticTrain.Host.Tests.Storage;
using Microsoft.Data.Sqlite;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Refusal;

[Collection(SmallRunsCollection.Name)]
public sealed class SupersededCoordinatorTests(SmallRuns runs)
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task A_coordinator_that_was_stopped_while_a_successor_froze_a_layer_changes_nothing_any_more()
    {
        using var run = new TestFolder();
        using ProcessUnderTest train = SmallRuns.TrainPlan(runs.LongPlanFile, run, "--nodes", "3", "--restart-after", "1");
        CoordinatorStarted old = (await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 20, "step 20")).Coordinator!;
        await StopBetweenWritesAsync(run, old.Pid);
        CoordinatorStarted successor = (await SmallRuns.WaitForAsync(run, train, s => s.Coordinator!.Term.Value > old.Term.Value, "a successor", Long)).Coordinator!;
        Assert.NotEqual(old.Pid, successor.Pid);
        var (frozen, answer) = await SmallRuns.CommandAsync("freeze", "--layers", "0-0", "--run-dir", run);
        Assert.True(frozen == 0, $"freeze ended with {frozen}:\n{answer}\n{train.Output}");
        long effective = SmallRuns.Events(run).OfType<LayersFrozen>().Single().EffectiveStep.Value;
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= effective + 5, "five steps with the frozen layer", Long);
        Signal.Send(old.Pid, Signal.Continue);
        // It works for its successor, or it was away for so long that the cluster has put it out and it starts as a new node.
        long resumed = SmallRuns.State(run).Committed.Count;
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= resumed + 10, "ten steps beside the old coordinator", Long);
        // Before the end: when all nodes are told to go, the last of them may take office for a moment.
        CoordinatorStarted[] later = [.. SmallRuns.Events(run).OfType<CoordinatorStarted>().SkipWhile(c => c.Term != successor.Term)];
        Assert.False(later.Any(c => c.Pid == old.Pid), $"it took office again: {string.Join(", ", later.AsEnumerable())}\n{train.Output}\n{await EventsAsync(run)}");
        train.Send(Signal.Interrupt);
        Assert.True(await train.WaitForExitAsync(Long) == 130, train.Output);

        AssertOneWriterPerTerm(run);
        long last = SmallRuns.State(run).Committed.Count;
        // Seals the last step if the interrupt came while something was being replayed.
        using (ProcessUnderTest rest = SmallRuns.TrainPlan(runs.LongPlanFile, run, "--steps", $"{last}"))
            Assert.True(await rest.WaitForExitAsync(Long) == 0, rest.Output);
        string expected = await UndisturbedAsync(effective, last), found = await SmallRuns.DigestAsync(run);
        Assert.True(expected == found, $"frozen from {effective} on, {last} steps; found {found.Split('\n')[^1]}, expected {expected.Split('\n')[^1]}\n{train.Output}\n{await EventsAsync(run)}");
    }

    /// <summary>
    /// Stops a process while it holds no lock of the SQLite journal. One that is stopped in the middle of a write holds the journal for as long as
    /// it is stopped; then nobody can take over, and the test of the locked journal applies.
    /// </summary>
    private static async Task StopBetweenWritesAsync(TestFolder run, int pid)
    {
        string connectionString = $"Data Source={run.File("journal", "journal.db")};Pooling=False;Default Timeout=1";
        await Wait.UntilAsync(() =>
        {
            Signal.Send(pid, Signal.Stop);
            using var connection = new SqliteConnection(connectionString);
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "BEGIN IMMEDIATE; ROLLBACK";
            try
            {
                command.ExecuteNonQuery();
                return true;
            }
            catch (SqliteException error) when (error.SqliteErrorCode == 5)
            {
                Signal.Send(pid, Signal.Continue);
                return false;
            }
        }, "the coordinator is stopped between two writes");
    }

    private static async Task<string> EventsAsync(TestFolder run) => (await SmallRuns.CommandAsync("events", "--run-dir", run)).Output;

    /// <summary>The digest of one process that freezes at the same step.</summary>
    private async Task<string> UndisturbedAsync(long effective, long last)
    {
        using var run = new TestFolder();
        using ProcessUnderTest train = SmallRuns.TrainPlan(runs.LongPlanFile, run, "--steps", $"{last}");
        await SmallRuns.WaitForAsync(run, train, s => s.Committed.Count >= 1, "step 1");
        foreach (string[] command in (string[][])[["pause"], ["freeze", "--layers", "0-0", "--at", $"{effective}"], ["resume"]])
        {
            var (code, output) = await SmallRuns.CommandAsync([.. command, "--run-dir", run]);
            Assert.True(code == 0, $"{command[0]} ended with {code}:\n{output}\n{train.Output}");
        }
        Assert.True(await train.WaitForExitAsync(Long) == 0, train.Output);
        return await SmallRuns.DigestAsync(run);
    }

    /// <summary>Akka.Persistence.Sql notes with every event which incarnation of the writer wrote it: between two terms it must not change.</summary>
    private static void AssertOneWriterPerTerm(TestFolder run)
    {
        using var connection = new SqliteConnection($"Data Source={run.File("journal", "journal.db")};Pooling=False;Mode=ReadOnly");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT sequence_number, manifest, writer_uuid FROM journal ORDER BY sequence_number";
        using SqliteDataReader rows = command.ExecuteReader();
        var writers = new List<string>();
        string? current = null;
        while (rows.Read())
        {
            string writer = rows.GetString(2);
            if (writer != current)
            {
                Assert.True(current is null || rows.GetString(1).StartsWith("coordinator-started", StringComparison.Ordinal),
                    $"event {rows.GetInt64(0)} ({rows.GetString(1)}) comes from another writer than the one in office");
                current = writer;
                writers.Add(writer);
            }
        }
        Assert.True(writers.Count >= 2, "no successor wrote");
    }
}
