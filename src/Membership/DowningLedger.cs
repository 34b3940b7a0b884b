using System.Data;
using System.Data.Common;
using Npgsql;

namespace ElasticTrain.Membership;

/// <summary>
/// Who was put out of the cluster: one table in a database that all members reach. Of two sides that lost each other the first one to write has decided;
/// the other one finds itself in the table. Entries never expire, and nothing is held: whoever wrote may die at once.
/// </summary>
/// <param name="settings">Where the table is.</param>
public sealed class DowningLedger(LedgerSettings settings)
{
    private const string Table = "elastictrain_downed";

    /// <summary>Writes that <paramref name="self"/>'s side puts out <paramref name="unreachable"/>, unless it was put out itself.</summary>
    /// <param name="self">The unique address of the member that decides for its side.</param>
    /// <param name="reachable">Members of its side: entries about them are mistakes that nothing came of, and go.</param>
    /// <param name="unreachable">Members of the other side.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>false: <paramref name="self"/> was put out before, and nothing was written.</returns>
    /// <exception cref="DbException">The database does not answer.</exception>
    public async Task<bool> TryPutOutAsync(string self, IReadOnlyCollection<string> reachable, IReadOnlyCollection<string> unreachable, CancellationToken ct)
    {
        await using DbConnection connection = settings.Connect();
        await connection.OpenAsync(ct).ConfigureAwait(false);
        await ExecuteAsync(connection, null, $"CREATE TABLE IF NOT EXISTS {Table} (member VARCHAR(512) PRIMARY KEY, decided_by VARCHAR(512) NOT NULL)", ct).ConfigureAwait(false);
        // SQLite begins with its write lock; PostgreSQL is asked for the table's.
        await using DbTransaction transaction = await connection.BeginTransactionAsync(IsolationLevel.Serializable, ct).ConfigureAwait(false);
        if (connection is NpgsqlConnection) await ExecuteAsync(connection, transaction, $"LOCK TABLE {Table} IN EXCLUSIVE MODE", ct).ConfigureAwait(false);
        object? own = await ScalarAsync(connection, transaction, $"SELECT decided_by FROM {Table} WHERE member = @member", ct, ("member", self)).ConfigureAwait(false);
        if (own is not null) return false;
        foreach (string member in reachable)
            await ExecuteAsync(connection, transaction, $"DELETE FROM {Table} WHERE member = @member", ct, ("member", member)).ConfigureAwait(false);
        foreach (string member in unreachable)
        {
            await ExecuteAsync(
                connection, transaction, $"INSERT INTO {Table} (member, decided_by) VALUES (@member, @by) ON CONFLICT DO NOTHING", ct,
                ("member", member), ("by", self)).ConfigureAwait(false);
        }
        await transaction.CommitAsync(ct).ConfigureAwait(false);
        return true;
    }

    private static async Task ExecuteAsync(
        DbConnection connection, DbTransaction? transaction, string sql, CancellationToken ct, params (string Name, string Value)[] values)
    {
        await using DbCommand command = Command(connection, transaction, sql, values);
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private static async Task<object?> ScalarAsync(
        DbConnection connection, DbTransaction? transaction, string sql, CancellationToken ct, params (string Name, string Value)[] values)
    {
        await using DbCommand command = Command(connection, transaction, sql, values);
        return await command.ExecuteScalarAsync(ct).ConfigureAwait(false);
    }

    private static DbCommand Command(DbConnection connection, DbTransaction? transaction, string sql, (string Name, string Value)[] values)
    {
        DbCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach ((string name, string value) in values)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }
        return command;
    }
}
