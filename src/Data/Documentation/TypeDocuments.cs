using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

/// <summary>
/// Turns the members of documentation files into one plain-text document per type. A member that several files document is taken from the first.
/// </summary>
internal sealed class TypeDocuments(GenericNames generics)
{
    private readonly Dictionary<string, TypeEntry> _types = new(StringComparer.Ordinal);
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

    private sealed class TypeEntry
    {
        internal DocumentedMember? Self;
        internal readonly List<DocumentedMember> Members = [];
    }

    /// <summary>Adds the members of a file.</summary>
    internal void Add(IEnumerable<DocumentedMember> members)
    {
        foreach (var member in members)
        {
            if (member.Id.Kind is not ('T' or 'M' or 'P' or 'F' or 'E') || member.Id.Type.Length == 0 || !_seen.Add(member.Raw)) continue;
            if (!_types.TryGetValue(member.Id.Type, out var entry)) _types.Add(member.Id.Type, entry = new TypeEntry());
            if (member.Id.Kind == 'T') entry.Self = member;
            else if (member.HasText) entry.Members.Add(member);
        }
    }

    /// <summary>
    /// The documents. A document's split key is the name of its outermost type without generic arity, so that nested types and generic variants
    /// share it; its order key is the type's own name.
    /// </summary>
    internal IEnumerable<Document> Render()
    {
        var text = new StringBuilder();
        foreach (var (type, entry) in _types)
        {
            if (entry.Members.Count == 0 && entry.Self is not { HasText: true }) continue;
            Render(type, entry, text.Clear());
            yield return new Document($"type:{Outermost(type)}", $"type:{type}", Encoding.UTF8.GetBytes(text.ToString()), 0);
        }
    }

    private string Outermost(string type)
    {
        for (int dot = type.IndexOf('.'); dot >= 0; dot = type.IndexOf('.', dot + 1))
        {
            if (_types.ContainsKey(type[..dot])) return TypeNames.WithoutArity(type[..dot]);
        }
        return TypeNames.WithoutArity(type);
    }

    private void Render(string type, TypeEntry entry, StringBuilder text)
    {
        var inScope = generics.InScope(type);
        string name = TypeNames.Declared(type, generics);
        text.Append("Type ").Append(TypeNames.FullyDeclared(type, generics)).Append('\n');
        if (entry.Self is not null) RenderTexts(entry.Self, text);
        foreach (var member in entry.Members)
        {
            text.Append('\n');
            RenderSignature(member, name, inScope, text);
            RenderTexts(member, text);
        }
    }

    private static void RenderSignature(DocumentedMember member, string typeName, List<string> inScope, StringBuilder text)
    {
        var id = member.Id;
        var methodGenerics = member.TypeParameters.ConvertAll(item => item.Name);
        string kind = id.Kind switch
        {
            'M' => id.Member is "#ctor" or "#cctor" ? "Constructor" : id.Member.StartsWith("op_", StringComparison.Ordinal) ? "Operator" : "Method",
            'P' => "Property",
            'F' => "Field",
            _ => "Event",
        };
        text.Append(kind).Append(' ').Append(id.DisplayMember(typeName, methodGenerics));
        if (id.Parameters is null)
        {
            text.Append(id.Kind == 'M' ? "()\n" : "\n");
            return;
        }
        var types = TypeNames.References(id.Parameters, new TypeNames.Scope(inScope, methodGenerics));
        bool named = types.Count == member.Parameters.Count;
        text.Append('(').AppendJoin(", ", types.Select((parameter, i) => named ? $"{parameter} {member.Parameters[i].Name}" : parameter)).Append(")\n");
    }

    private static void RenderTexts(DocumentedMember member, StringBuilder text)
    {
        Line("", member.Summary);
        foreach (var (name, content) in member.TypeParameters) Line(name + ": ", content);
        foreach (var (name, content) in member.Parameters) Line(name + ": ", content);
        Line("Value: ", member.Value);
        Line("Returns: ", member.Returns);
        foreach (var (name, content) in member.Exceptions) Line($"Throws {name}: ", content);
        Line("Remarks: ", member.Remarks);
        Line("Example: ", member.Example);

        void Line(string label, string content)
        {
            if (content.Length > 0) text.Append(label).Append(content).Append('\n');
        }
    }
}
