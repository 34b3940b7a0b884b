namespace ElasticTrain.Core;

/// <summary>Databases that can hold what a run writes down.</summary>
public enum DatabaseProvider
{
    /// <summary>Files; for runs on one machine.</summary>
    Sqlite,

    /// <summary>A PostgreSQL server; needed as soon as a run spans machines.</summary>
    PostgreSql,
}
