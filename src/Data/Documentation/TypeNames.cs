using System.Text;

namespace ElasticTrain.Data;

/// <summary>
/// Turns the type names of documentation ids into what a C# reader writes: <c>System.Collections.Generic.List{`0}</c> into <c>List&lt;T&gt;</c>.
/// Grammar: ECMA-334 (C#), annex D.4.2 "ID string format".
/// </summary>
internal static class TypeNames
{
    private static readonly Dictionary<string, string> Keywords = new()
    {
        ["System.Boolean"] = "bool",
        ["System.Byte"] = "byte",
        ["System.SByte"] = "sbyte",
        ["System.Char"] = "char",
        ["System.Decimal"] = "decimal",
        ["System.Double"] = "double",
        ["System.Single"] = "float",
        ["System.Int32"] = "int",
        ["System.UInt32"] = "uint",
        ["System.Int64"] = "long",
        ["System.UInt64"] = "ulong",
        ["System.Int16"] = "short",
        ["System.UInt16"] = "ushort",
        ["System.IntPtr"] = "nint",
        ["System.UIntPtr"] = "nuint",
        ["System.Object"] = "object",
        ["System.String"] = "string",
        ["System.Void"] = "void",
    };

    /// <summary>Names of the generic parameters in scope: those of the type (`0) and those of the method (``0).</summary>
    internal readonly record struct Scope(IReadOnlyList<string> Type, IReadOnlyList<string> Method);

    /// <summary>A type's name with its generic parameters, namespace dropped: the form of T: ids and of the type part of member ids.</summary>
    internal static string Declared(string name, GenericNames generics)
    {
        string last = name[(name.LastIndexOf('.') + 1)..];
        int tick = last.IndexOf('`');
        return tick < 0 ? Keywords.GetValueOrDefault(name, last) : $"{last[..tick]}<{string.Join(", ", generics.Of(name))}>";
    }

    /// <summary>A type's full name with the generic parameters of every type in it.</summary>
    internal static string FullyDeclared(string name, GenericNames generics)
    {
        int dot = name.LastIndexOf('.');
        string last = name[(dot + 1)..];
        int tick = last.IndexOf('`');
        if (tick >= 0) last = $"{last[..tick]}<{string.Join(", ", generics.Of(name))}>";
        return dot < 0 ? last : $"{FullyDeclared(name[..dot], generics)}.{last}";
    }

    /// <summary>A type reference in a signature.</summary>
    internal static string Reference(string text, Scope scope)
    {
        int at = 0;
        return new Reader(text, scope).Type(ref at);
    }

    /// <summary>The types of a parameter list without its parentheses.</summary>
    internal static List<string> References(string list, Scope scope)
    {
        var result = new List<string>();
        var reader = new Reader(list, scope);
        for (int at = 0; at < list.Length;)
        {
            int before = at;
            result.Add(reader.Type(ref at));
            if (at < list.Length && list[at] == ',') at++;
            // Text outside the grammar is kept as it stands rather than lost.
            if (at == before) result[^1] += list[at++];
        }
        return result;
    }

    /// <summary>Every segment without its generic arity, so that List and List`1 share a name.</summary>
    internal static string WithoutArity(string name)
    {
        if (!name.Contains('`')) return name;
        var result = new StringBuilder();
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] != '`') result.Append(name[i]);
            else while (i + 1 < name.Length && (name[i + 1] == '`' || char.IsAsciiDigit(name[i + 1]))) i++;
        }
        return result.ToString();
    }

    internal static IEnumerable<string> Default(string letter, int count) =>
        count == 1 ? [letter] : Enumerable.Range(1, count).Select(i => FormattableString.Invariant($"{letter}{i}"));

    /// <summary>Number of a type's own generic parameters.</summary>
    internal static int ArityOf(string type)
    {
        int tick = type.IndexOf('`', type.LastIndexOf('.') + 1);
        return tick < 0 ? 0 : Arity(type[tick..]);
    }

    /// <summary>The number behind back-ticks; 1 where there is none.</summary>
    internal static int Arity(string ticks) => int.TryParse(ticks.TrimStart('`'), out int arity) && arity is > 0 and < 100 ? arity : 1;

    private readonly struct Reader(string text, Scope scope)
    {
        internal string Type(ref int at)
        {
            string name = text.AsSpan(at).StartsWith("`") ? Parameter(ref at) : Named(ref at);
            return Suffixes(name, ref at);
        }

        private string Parameter(ref int at)
        {
            int start = at;
            while (at < text.Length && text[at] == '`') at++;
            int digits = at;
            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            if (!int.TryParse(text.AsSpan(digits, at - digits), out int index)) return text[start..at];
            var names = digits - start == 1 ? scope.Type : scope.Method;
            return index < names.Count ? names[index] : $"T{index + 1}";
        }

        private string Named(ref int at)
        {
            var result = new StringBuilder();
            while (true)
            {
                int start = at;
                while (at < text.Length && !"{},()[]*@^".Contains(text[at])) at++;
                string name = text[start..at];
                string segment = result.Length == 0 ? Declared(name, GenericNames.None) : name.TrimStart('.');
                if (result.Length > 0 && segment.Length > 0) result.Append('.');
                if (at >= text.Length || text[at] != '{') return result.Append(segment).ToString();

                at++;
                var arguments = new List<string>();
                while (at < text.Length && text[at] != '}')
                {
                    int before = at;
                    arguments.Add(Type(ref at));
                    if (at < text.Length && text[at] == ',') at++;
                    else if (at == before) break;
                }
                if (at < text.Length && text[at] == '}') at++;
                if (name == "System.Nullable" && arguments.Count == 1) result.Append(arguments[0]).Append('?');
                else result.Append(segment).Append('<').AppendJoin(", ", arguments).Append('>');
                if (at >= text.Length || text[at] != '.') return result.ToString();
            }
        }

        private string Suffixes(string name, ref int at)
        {
            for (; at < text.Length; at++)
            {
                if (text[at] == '[')
                {
                    int end = text.IndexOf(']', at);
                    if (end < 0) return name;
                    name += $"[{new string(',', text.AsSpan(at, end - at).Count(','))}]";
                    at = end;
                }
                else if (text[at] == '*') name += "*";
                else if (text[at] == '@') name = "ref " + name;
                else if (text[at] != '^') return name;
            }
            return name;
        }
    }
}
