using System.Reflection;

namespace ElasticTrain.MultiNode.Tests.Kit;

/// <summary>Plays specs.</summary>
public static class SpecPlayer
{
    /// <summary>The program that runs a node: this assembly.</summary>
    internal static string Program => Path.Combine(AppContext.BaseDirectory, Assembly.GetExecutingAssembly().GetName().Name!);

    /// <summary>Plays a spec: a process for each role, until the spec's code has ended on all of them. All processes have ended afterwards, whatever happens.</summary>
    /// <param name="arguments">What the spec's code finds in <see cref="SpecNode.Arguments"/>.</param>
    /// <returns>The processes that were started.</returns>
    /// <exception cref="MultiNodeFailure">An assertion failed on a node, a process died that nobody had killed, a barrier or the spec took too long.</exception>
    public static Task<IReadOnlyList<int>> PlayAsync<TSpec>(params (string Name, string Value)[] arguments)
        where TSpec : MultiNodeSpec, IMultiNodeSpec =>
        Conductor.PlayAsync(typeof(TSpec), TSpec.Config, arguments.ToDictionary(a => a.Name, a => a.Value));

    /// <summary>As above, for a spec that is known by name.</summary>
    internal static Task<IReadOnlyList<int>> PlayAsync(string spec, IReadOnlyDictionary<string, string> arguments) => Conductor.PlayAsync(Find(spec), ConfigOf(Find(spec)), arguments);

    /// <summary>A spec's class by its full name.</summary>
    internal static Type Find(string spec) => Assembly.GetExecutingAssembly().GetType(spec, throwOnError: true)!;

    /// <summary>A spec's configuration.</summary>
    internal static MultiNodeConfig ConfigOf(Type spec) =>
        (MultiNodeConfig)(spec.GetProperty(nameof(IMultiNodeSpec.Config), BindingFlags.Public | BindingFlags.Static)?.GetValue(null)
            ?? throw new InvalidOperationException($"{spec} has no public static Config"));
}
