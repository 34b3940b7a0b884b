using System.Text.Json.Nodes;

namespace ElasticTrain.Host.Tests.Elastic;

/// <summary>What scripts read from <c>status --json</c>. Parsing fails where the contract's shape is not kept.</summary>
public sealed record StatusWorker(string Node, int Pid, int Devices);

/// <summary>A shard replica in a status.</summary>
public sealed record StatusShard(string Id, int Replica, string Node, long Bytes);

/// <summary>A status.</summary>
public sealed record RunStatusShape(
    string State, long Step, long Steps, IReadOnlyList<StatusWorker> Workers, (string Node, int Pid)? Coordinator, IReadOnlyList<StatusShard> Shards)
{
    public static RunStatusShape Parse(string json)
    {
        JsonObject status = JsonNode.Parse(json)!.AsObject();
        string state = status["state"]!.GetValue<string>();
        Assert.Contains(state, (string[])["waiting", "running", "paused", "finished", "stopped"]);
        Assert.True(status.ContainsKey("coordinator"), json);
        return new RunStatusShape(
            state, status["step"]!.GetValue<long>(), status["steps"]!.GetValue<long>(),
            [.. status["workers"]!.AsArray().Select(w => new StatusWorker(w!["node"]!.GetValue<string>(), w["pid"]!.GetValue<int>(), w["devices"]!.GetValue<int>()))],
            status["coordinator"] is { } c ? (c["node"]!.GetValue<string>(), c["pid"]!.GetValue<int>()) : null,
            [.. status["shards"]!.AsArray().Select(s => new StatusShard(
                s!["id"]!.GetValue<string>(), s["replica"]!.GetValue<int>(), s["node"]!.GetValue<string>(), s["bytes"]!.GetValue<long>()))]);
    }
}
