namespace ElasticTrain.Data;

/// <summary>What the generic parameters of documented types are called, so that a reference reads Dictionary&lt;TKey, TValue&gt; as its author would write it.</summary>
internal sealed class GenericNames
{
    internal static readonly GenericNames None = new();

    private readonly Dictionary<string, string[]> _names = new(StringComparer.Ordinal);

    /// <summary>
    /// Records a type's parameters. The first to do so wins. A nested type may list those of the types around it before its own; a list that is
    /// too short is ignored.
    /// </summary>
    internal void Add(string type, string[] parameters)
    {
        int arity = TypeNames.ArityOf(type);
        if (parameters.Length >= arity) _names.TryAdd(type, parameters[^arity..]);
    }

    /// <summary>The type's own parameters; T, or T1, T2 and so on, where nobody named them.</summary>
    internal IReadOnlyList<string> Of(string type) =>
        _names.TryGetValue(type, out string[]? names) ? names : [.. TypeNames.Default("T", TypeNames.ArityOf(type))];

    /// <summary>All parameters in scope inside a type: those of the types around it, outermost first, then its own.</summary>
    internal List<string> InScope(string type)
    {
        var names = new List<string>();
        for (int end = 0; end < type.Length;)
        {
            end = type.IndexOf('.', end + 1) is var dot and >= 0 ? dot : type.Length;
            names.AddRange(Of(type[..end]));
        }
        return names;
    }
}
