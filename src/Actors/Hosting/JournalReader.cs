using System.Data.Common;
using System.Text.Json;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Actors.Serialization;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Hosting;

/// <summary>One event as it stands in the journal.</summary>
/// <param name="SequenceNumber">Its place, from 1.</param>
/// <param name="WrittenAt">When it was written, UTC.</param>
/// <param name="Event">The event.</param>
/// <param name="Writer">The process that wrote it: Akka.Persistence.Sql names each actor system's journal.</param>
public sealed record JournaledEvent(long SequenceNumber, DateTime WrittenAt, IRunEvent Event, string? Writer = null);

/// <summary>Reads a run's journal from outside its actor system, also while the run writes to it. Understands only this project's manifests.</summary>
/// <param name="settings">Where the journal is.</param>
/// <param name="run">The run.</param>
public sealed class JournalReader(JournalSettings settings, RunId run)
{
    /// <summary>The run's events in order.</summary>
    /// <param name="after">Only those with a higher sequence number.</param>
    /// <exception cref="CorruptionException">A row cannot be read.</exception>
    public IReadOnlyList<JournaledEvent> Read(long after = 0)
    {
        using var connection = settings.OpenForReading();
        if (connection is null || !HasTable(connection)) return [];
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT sequence_number, created, manifest, identifier, message, writer_uuid FROM journal WHERE persistence_id = @id AND sequence_number > @after ORDER BY sequence_number";
        Add(command, "@id", TrainingRun.PersistenceIdOf(run));
        Add(command, "@after", after);
        using var reader = command.ExecuteReader();
        var events = new List<JournaledEvent>();
        while (reader.Read())
        {
            long sequence = reader.GetInt64(0);
            string manifest = reader.GetString(2);
            if (reader.GetInt32(3) != MessageSerializer.Id || Manifests.TypeOf(manifest) is not { } type)
                throw new CorruptionException($"journal of run {run}, event {sequence}", $"manifest '{manifest}' of serialiser {reader.GetInt32(3)}", "an event of this project");
            var @event = (IRunEvent)JsonSerializer.Deserialize((byte[])reader.GetValue(4), type, JsonFormat.Options)!;
            events.Add(new JournaledEvent(sequence, new DateTime(reader.GetInt64(1), DateTimeKind.Utc), @event, reader.IsDBNull(5) ? null : reader.GetString(5)));
        }
        return events;
    }

    /// <summary>The run's state as the journal has it.</summary>
    public RunState ReadState() => Read().Aggregate(RunState.Empty, (state, e) => state.Apply(e.Event));

    /// <summary>Why this journal is not the run's own, for a run that has journaled before: it is missing, empty, or another run's. Null if it holds an event of the run.</summary>
    /// <exception cref="DbException">The journal cannot be read now.</exception>
    public BadInputException? WhyNotOwn() => Missing("events of this run", "persistence_id = @id", _ => true);

    /// <summary>Why this journal is not the one that holds a coordinator's term; null if it holds this term or a later one of the run.</summary>
    /// <param name="term">The term, durable in the run's journal.</param>
    /// <exception cref="DbException">The journal cannot be read now.</exception>
    public BadInputException? WhyNotThatOf(Term term) => Missing(
        $"term {term} of this run", $"persistence_id = @id AND manifest = '{Manifests.NameOf(typeof(CoordinatorStarted))}'",
        message => JsonSerializer.Deserialize<CoordinatorStarted>(message, JsonFormat.Options)!.Term.Value >= term.Value);

    /// <summary>What the journal holds instead of a newest row that satisfies the conditions; null if it has one.</summary>
    private BadInputException? Missing(string expected, string condition, Func<byte[], bool> isExpected)
    {
        using var connection = settings.OpenForReading();
        if (connection is null || !HasTable(connection))
            return new BadInputException(settings.Location, connection is null ? "no journal" : "an empty journal", $"{expected} ({run})");
        using (var newest = connection.CreateCommand())
        {
            newest.CommandText = $"SELECT message FROM journal WHERE {condition} ORDER BY sequence_number DESC LIMIT 1";
            Add(newest, "@id", TrainingRun.PersistenceIdOf(run));
            if (newest.ExecuteScalar() is byte[] message && isExpected(message)) return null;
        }
        using var others = connection.CreateCommand();
        others.CommandText = "SELECT MIN(persistence_id) FROM journal";
        string found = others.ExecuteScalar() is not string other ? "an empty journal"
            : other == TrainingRun.PersistenceIdOf(run) ? "an older copy of the run's journal" : $"the journal of {other.Replace('-', ' ')}";
        return new BadInputException(settings.Location, found, $"{expected} ({run})");
    }

    private static bool HasTable(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        bool sqlite = connection is Microsoft.Data.Sqlite.SqliteConnection;
        command.CommandText = sqlite
            ? "SELECT COUNT(*) FROM sqlite_master WHERE name = 'journal'"
            : "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'journal'";
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture) > 0;
    }

    private static void Add(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }
}
