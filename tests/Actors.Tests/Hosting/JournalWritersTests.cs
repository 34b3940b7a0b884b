using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence;
using ElasticTrain.Actors.Hosting;
using ElasticTrain.Actors.Runs;

namespace ElasticTrain.Actors.Tests.Hosting;

/// <summary>The journal as nodes open it, on SQLite: several processes write to it, one after the other.</summary>
public sealed class JournalWritersTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("elastictrain-writers-").FullName;
    private readonly List<ActorSystem> _processes = [];

    public Task InitializeAsync()
    {
        var plan = Plans.Given.Plan();
        var journal = new JournalSettings(plan.Journal, RunFolder.OpenOrCreate(Path.Combine(_folder, "run"), plan));
        journal.Prepare();
        foreach (string name in (string[])["one", "other"])
            _processes.Add(ActorSystem.Create(name, ConfigurationFactory.ParseString(journal.Hocon).WithFallback("akka.loglevel = ERROR")));
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        foreach (ActorSystem process in _processes) await process.Terminate();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Akka's replay filter would take what the first process writes later for an old writer's, and leave it out.</summary>
    [Fact]
    public async Task What_a_process_writes_after_another_one_has_written_is_read_again()
    {
        var (one, other) = (_processes[0], _processes[1]);
        Assert.Equal([], await TakeOfficeAsync(one, "a"));
        Assert.Equal(["a"], await TakeOfficeAsync(other, "b"));
        Assert.Equal(["a", "b"], await TakeOfficeAsync(one, "c"));
        Assert.Equal(["a", "b", "c"], await TakeOfficeAsync(other, "d"));
        Assert.Equal(["a", "b", "c", "d"], await TakeOfficeAsync(one, "e"));
    }

    /// <summary>What a coordinator reads; it writes one event and ends.</summary>
    private static async Task<IReadOnlyList<string>> TakeOfficeAsync(ActorSystem process, string @event)
    {
        var read = new TaskCompletionSource<IReadOnlyList<string>>(TaskCreationOptions.RunContinuationsAsynchronously);
        IActorRef coordinator = process.ActorOf(Props.Create(() => new Writer(@event, read)));
        IReadOnlyList<string> found = await read.Task.WaitAsync(Patience);
        await coordinator.WatchAsync().WaitAsync(Patience);
        return found;
    }

    private sealed class Writer : ReceivePersistentActor
    {
        public Writer(string @event, TaskCompletionSource<IReadOnlyList<string>> read)
        {
            List<string> found = [];
            Recover<string>(found.Add);
            Recover<RecoveryCompleted>(_ => Persist(@event, _ =>
            {
                read.SetResult(found);
                Context.Stop(Self);
            }));
        }

        public override string PersistenceId => "run";
    }
}
