namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>The barriers of a spec: who has come, who is missing, who waits too long. Knows no process and no clock.</summary>
internal sealed class Barriers(TimeSpan timeout)
{
    private sealed record Barrier(string Name, IReadOnlySet<Role>? Among, TimeSpan Due, Dictionary<NodeLife, int> Entered);

    private readonly Dictionary<string, Barrier> _open = [];

    /// <summary>A node comes to a barrier.</summary>
    /// <param name="among">Whom the barrier is for; null: everybody.</param>
    /// <param name="request">To be answered when the barrier opens.</param>
    /// <returns>Why this cannot be; null if it can.</returns>
    public string? Enter(NodeLife node, string name, IReadOnlySet<Role>? among, int request, TimeSpan now)
    {
        node.LastBarrier = name;
        if (!_open.TryGetValue(name, out Barrier? barrier)) _open[name] = barrier = new Barrier(name, among, now + timeout, []);
        if (!SameSet(barrier.Among, among)) return $"{node} says that barrier '{name}' is for {Describe(among)}, others said for {Describe(barrier.Among)}";
        if (among is not null && !among.Contains(node.Role)) return $"{node} entered barrier '{name}', which is for {Describe(among)}";
        barrier.Entered[node] = request;
        return null;
    }

    /// <summary>Takes the barriers out that everybody has entered who can.</summary>
    public IEnumerable<KeyValuePair<NodeLife, int>> Opened(IReadOnlyCollection<NodeLife> playing)
    {
        foreach (Barrier barrier in _open.Values.Where(b => !Missing(b, playing).Any()).ToArray())
        {
            _open.Remove(barrier.Name);
            foreach (KeyValuePair<NodeLife, int> entered in barrier.Entered) yield return entered;
        }
    }

    /// <summary>Which barrier has waited too long or waits for somebody whose code has ended; null if none.</summary>
    public string? Problem(IReadOnlyCollection<NodeLife> playing, IReadOnlyCollection<NodeLife> done, TimeSpan now)
    {
        foreach (Barrier barrier in _open.Values)
        {
            string came = string.Join(", ", barrier.Entered.Keys.Select(n => n.ToString()));
            if (done.FirstOrDefault(n => barrier.Among?.Contains(n.Role) ?? true) is { } gone)
                return $"barrier '{barrier.Name}': {gone} has ended its code and will never come ({came} did)";
            if (now >= barrier.Due)
                return $"barrier '{barrier.Name}' timed out after {timeout.TotalSeconds:0.#} s: {string.Join(", ", Missing(barrier, playing).Select(n => $"{n} ({n.Where})"))} did not come ({came} did)";
        }
        return null;
    }

    private static IEnumerable<NodeLife> Missing(Barrier barrier, IEnumerable<NodeLife> playing) =>
        playing.Where(n => (barrier.Among?.Contains(n.Role) ?? true) && !barrier.Entered.ContainsKey(n));

    private static bool SameSet(IReadOnlySet<Role>? one, IReadOnlySet<Role>? other) => one is null ? other is null : other is not null && one.SetEquals(other);

    private static string Describe(IReadOnlySet<Role>? among) => among is null ? "all" : string.Join(", ", among);
}
