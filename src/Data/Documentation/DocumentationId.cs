namespace ElasticTrain.Data;

/// <summary>A documentation id (<c>M:System.String.Format(System.String,System.Object)</c>) taken apart.</summary>
/// <param name="Kind">T, M, P, F, E; another letter for what is no member.</param>
/// <param name="Type">Full name of the declaring type; of the type itself for T.</param>
/// <param name="Member">The member's name as in the id; empty for T.</param>
/// <param name="Parameters">The parameter list without parentheses; null if there is none.</param>
internal readonly record struct DocumentationId(char Kind, string Type, string Member, string? Parameters)
{
    internal static DocumentationId Parse(string id)
    {
        if (id.Length < 2 || id[1] != ':') return new DocumentationId('!', "", id, null);
        string text = id[2..];
        if (id[0] is not ('M' or 'P' or 'F' or 'E')) return new DocumentationId(id[0], text, "", null);

        int open = text.IndexOf('('), tilde = text.IndexOf('~');
        int end = open >= 0 ? open : tilde >= 0 ? tilde : text.Length;
        string? parameters = null;
        if (open >= 0)
        {
            int close = text.LastIndexOf(')');
            parameters = text[(open + 1)..(close > open ? close : text.Length)];
        }
        int dot = text.AsSpan(0, end).LastIndexOf('.');
        return dot < 0
            ? new DocumentationId(id[0], "", text[..end], parameters)
            : new DocumentationId(id[0], text[..dot], text[(dot + 1)..end], parameters);
    }

    /// <summary>The member's name as C# shows it; constructors take their type's name.</summary>
    /// <param name="typeName">The declaring type as shown.</param>
    /// <param name="methodParameters">Names of the method's generic parameters, if known.</param>
    internal string DisplayMember(string typeName, IReadOnlyList<string> methodParameters)
    {
        if (Member is "#ctor" or "#cctor") return typeName;
        // Explicit implementations spell the interface's dots as '#', its commas as '@'; two segments say enough.
        string name = Member.Replace('#', '.').Replace('{', '<').Replace('}', '>').Replace("@", ", ");
        int tick = name.IndexOf("``", StringComparison.Ordinal);
        if (tick >= 0)
        {
            int arity = TypeNames.Arity(name[tick..]);
            var names = methodParameters.Count == arity ? methodParameters : TypeNames.Default("T", arity);
            name = $"{name[..tick]}<{string.Join(", ", names)}>";
        }
        int last = Member.LastIndexOf('#');
        if (last <= 0) return name;
        int previous = Member.LastIndexOf('#', last - 1);
        return previous < 0 || Member.Contains('{') ? name : name[(previous + 1)..];
    }

    /// <summary>How prose shows a reference to this id: the type's name, or type and member, with parameter types if the id has any.</summary>
    internal static string Display(string id, GenericNames generics)
    {
        var parsed = Parse(id);
        switch (parsed.Kind)
        {
            case 'T':
                return TypeNames.Declared(parsed.Type, generics);
            case 'M' or 'P' or 'F' or 'E':
                string type = TypeNames.Declared(parsed.Type, generics);
                string name = parsed.DisplayMember(type, []);
                if (parsed.Member is not "#ctor" && type.Length > 0) name = $"{type}.{name}";
                return parsed.Parameters is { } list ? $"{name}({string.Join(", ", TypeNames.References(list, new TypeNames.Scope(generics.InScope(parsed.Type), [])))})" : name;
            default:
                // Namespaces (N:), overload groups (O:, Overload:), errors (!:): the text behind the prefix.
                return id[(id.IndexOf(':') + 1)..];
        }
    }
}
