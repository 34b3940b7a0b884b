using Npgsql;

namespace ElasticTrain.Host.Tests.Harness;

public class PostgresServerTests
{
    [SkippableFact]
    public async Task A_server_of_the_tests_own_can_be_stopped_and_started_again()
    {
        Skip.If(PostgresServer.Missing is not null, PostgresServer.Missing);
        using PostgresServer server = PostgresServer.Start();
        await ExecuteAsync("create table kept (value int); insert into kept values (42)");
        server.Stop();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync("select 1"));
        server.StartServer();
        NpgsqlConnection.ClearAllPools();
        Assert.Equal(42, await ExecuteAsync("select value from kept"));

        async Task<object?> ExecuteAsync(string sql)
        {
            await using var connection = new NpgsqlConnection(server.ConnectionString);
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(sql, connection);
            return await command.ExecuteScalarAsync();
        }
    }
}
