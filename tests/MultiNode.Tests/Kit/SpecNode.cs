using Akka.Actor;
using ElasticTrain.Core;
using Microsoft.Data.Sqlite;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>One node of a spec, inside its process.</summary>
public sealed class SpecNode
{
    private readonly NodeStart _start;

    internal SpecNode(NodeStart start, ConductorClient conductor)
    {
        _start = start;
        Conductor = conductor;
        Role = new Role(start.Role);
    }

    /// <summary>The role it plays.</summary>
    public Role Role { get; }

    /// <summary>1 for the role's first process, 2 for the one that was started after that had ended, and so on.</summary>
    public int Life => _start.Life;

    /// <summary>What the fact gave to the spec.</summary>
    public IReadOnlyDictionary<string, string> Arguments => _start.Arguments;

    /// <summary>Name, address, seeds and test settings of its actor system, in the form in which deployed processes get theirs.</summary>
    public ClusterEnvironment Cluster => new(_start.SystemName, _start.Host, _start.Port, _start.Seeds, SpecSystem.Overrides + _start.Ledger.Hocon);

    /// <summary>Its actor system. Null until it is up.</summary>
    public ActorSystem? System { get; internal set; }

    /// <summary>Whatever the spec's configuration started beside the actor system, for the spec's code.</summary>
    public object? Subject { get; set; }

    /// <summary>How many members the cluster's members have put out so far.</summary>
    public long PutOut()
    {
        using var ledger = new SqliteConnection(_start.Ledger.ConnectionString);
        ledger.Open();
        using SqliteCommand command = ledger.CreateCommand();
        command.CommandText = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'elastictrain_downed'";
        if ((long)command.ExecuteScalar()! == 0) return 0;
        command.CommandText = "SELECT COUNT(*) FROM elastictrain_downed";
        return (long)command.ExecuteScalar()!;
    }

    internal ConductorClient Conductor { get; }
}
