using System.Data.Common;
using Akka.Configuration;
using ElasticTrain.Core;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace ElasticTrain.Membership;

/// <summary>Where the <see cref="DowningLedger"/> is: the section <c>akka.cluster.split-brain-resolver.downing-ledger</c>.</summary>
/// <param name="Provider">The kind of database; SQLite where all members are on one machine.</param>
/// <param name="ConnectionString">Its connection string.</param>
public sealed record LedgerSettings(DatabaseProvider Provider, string ConnectionString)
{
    /// <summary>The section's path.</summary>
    public const string Path = "akka.cluster.split-brain-resolver.downing-ledger";

    /// <summary>A SQLite file on this machine.</summary>
    public static LedgerSettings OfFile(string file) =>
        new(DatabaseProvider.Sqlite, new SqliteConnectionStringBuilder { DataSource = System.IO.Path.GetFullPath(file), Pooling = false, DefaultTimeout = 2 }.ToString());

    /// <summary>Reads the section.</summary>
    /// <returns>null: no database is named.</returns>
    /// <exception cref="BadInputException">A provider that is unknown, or a connection string that cannot be read.</exception>
    public static LedgerSettings? Read(Config section)
    {
        string provider = section.GetString("provider", ""), connection = section.GetString("connection-string", "");
        if (connection.Length == 0) return null;
        DatabaseProvider kind = provider switch
        {
            "sqlite" => DatabaseProvider.Sqlite,
            "postgresql" => DatabaseProvider.PostgreSql,
            _ => throw new BadInputException($"{Path}.provider", $"'{provider}'", "sqlite or postgresql"),
        };
        var settings = new LedgerSettings(kind, connection);
        try
        {
            using DbConnection _ = settings.Connect();
        }
        catch (ArgumentException e)
        {
            throw new BadInputException($"{Path}.connection-string", e.Message, $"a connection string of {provider}");
        }
        return settings;
    }

    /// <summary>The section as HOCON.</summary>
    public string Hocon => string.Concat(Entries.Select(entry => $"{Path}.{entry.Key} = {HoconText.Quote(entry.Value)}\n"));

    /// <summary>The section as environment variables (<see cref="ClusterEnvironment"/>), for a process that has no plan.</summary>
    public IEnumerable<KeyValuePair<string, string>> Variables => Entries.Select(entry => KeyValuePair.Create(
        $"{Path}.{entry.Key}".Replace(".", "__", StringComparison.Ordinal).Replace('-', '_').ToUpperInvariant(), entry.Value));

    private IEnumerable<KeyValuePair<string, string>> Entries =>
    [
        KeyValuePair.Create("provider", Provider == DatabaseProvider.Sqlite ? "sqlite" : "postgresql"),
        KeyValuePair.Create("connection-string", ConnectionString),
    ];

    /// <summary>A connection that is not open yet.</summary>
    internal DbConnection Connect() => Provider == DatabaseProvider.Sqlite ? new SqliteConnection(ConnectionString) : new NpgsqlConnection(ConnectionString);
}
