using System.Data.Common;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Membership;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ElasticTrain.Actors.Hosting;

/// <summary>Where a run's journal is: SQLite in its folder, or the PostgreSQL server that the plan names.</summary>
/// <param name="plan">The plan's section.</param>
/// <param name="folder">The run's folder.</param>
public sealed class JournalSettings(JournalPlan plan, RunFolder folder)
{
    private const string SqliteProvider = "SQLite.MS", PostgreSqlProvider = "PostgreSQL.15";

    /// <summary>HOCON for Akka.Persistence.Sql.</summary>
    public string Hocon =>
        $$"""
        akka.persistence {
          journal.plugin = "akka.persistence.journal.sql"
          journal.sql {
            class = "Akka.Persistence.Sql.Journal.SqlWriteJournal, Akka.Persistence.Sql"
            connection-string = {{HoconText.Quote(ConnectionString(folder.JournalFile))}}
            provider-name = "{{Provider}}"
            tag-write-mode = Csv
            # One writer per run, and its events in order: more connections only contend.
            parallelism = 1
            # A process may take office again after another one has had it. The filter takes what it writes then for an old writer's and drops it from
            # the replay; that no two write the same number is what the table's unique constraint is for.
            replay-filter.mode = off
            # A locked database is waited for; what fails after that is visible back-pressure (the coordinator reads the journal again).
            circuit-breaker { max-failures = 5, call-timeout = 40s, reset-timeout = 2s }
          }
          snapshot-store.plugin = "akka.persistence.snapshot-store.sql"
          snapshot-store.sql {
            class = "Akka.Persistence.Sql.Snapshot.SqlSnapshotStore, Akka.Persistence.Sql"
            connection-string = {{HoconText.Quote(ConnectionString(folder.SnapshotFile))}}
            provider-name = "{{Provider}}"
          }
        }
        """;

    /// <summary>Where members of the cluster write whom they put out: a file beside the journal, or the journal's own database.</summary>
    public LedgerSettings Ledger => IsSqlite ? LedgerSettings.OfFile(folder.LedgerFile) : new LedgerSettings(plan.Provider, plan.ConnectionString!);

    /// <summary>Where the journal is, for messages; without user name or password.</summary>
    public string Location
    {
        get
        {
            if (IsSqlite) return folder.JournalFile;
            var server = new NpgsqlConnectionStringBuilder(plan.ConnectionString);
            return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"PostgreSQL database {server.Database} on {server.Host}:{server.Port}");
        }
    }

    private bool IsSqlite => plan.Provider == DatabaseProvider.Sqlite;

    private string Provider => IsSqlite ? SqliteProvider : PostgreSqlProvider;

    /// <summary>Makes what must be there before the first event: the SQLite files in write-ahead mode, so that readers never block the writer.</summary>
    /// <exception cref="ElasticTrainException">A file is not a SQLite database, or cannot be opened.</exception>
    public void Prepare()
    {
        if (!IsSqlite) return;
        Directory.CreateDirectory(Path.GetDirectoryName(folder.JournalFile)!);
        foreach (string file in new[] { folder.JournalFile, folder.SnapshotFile })
        {
            try
            {
                using var connection = new SqliteConnection(ConnectionString(file));
                connection.Open();
                using var command = connection.CreateCommand();
                command.CommandText = "PRAGMA journal_mode = WAL";
                command.ExecuteScalar();
            }
            catch (SqliteException error) when (error.SqliteErrorCode is 26 or 11)
            {
                throw new CorruptionException(file, error.Message, "a SQLite database");
            }
            catch (SqliteException error) when (error.SqliteErrorCode is 5 or 6)
            {
                // Locked by another process: it is in write-ahead mode already or will be at the next start.
            }
        }
    }

    /// <summary>Opens a connection for reading the journal from outside the actor system.</summary>
    /// <returns>null when the journal does not exist yet.</returns>
    public DbConnection? OpenForReading()
    {
        if (!IsSqlite)
        {
            var server = new NpgsqlConnection(plan.ConnectionString);
            server.Open();
            return server;
        }
        if (!File.Exists(folder.JournalFile)) return null;
        var file = new SqliteConnection(ConnectionString(folder.JournalFile));
        file.Open();
        return file;
    }

    private string ConnectionString(string file) => IsSqlite
        ? new SqliteConnectionStringBuilder { DataSource = file, Pooling = true, DefaultTimeout = 30 }.ToString()
        : plan.ConnectionString!;
}
