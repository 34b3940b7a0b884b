using System.Globalization;
using Akka.Configuration.Hocon;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>A value of a plan before it has a type, and where it came from: <c>FILE: path (line n)</c> or <c>--set path</c>.</summary>
internal abstract class PlanNode(string where)
{
    internal string Where { get; } = where;

    /// <summary>What it is, for messages.</summary>
    internal abstract string Describe();
}

/// <summary>A plain value.</summary>
internal sealed class ScalarNode(string where, string text) : PlanNode(where)
{
    internal string Text { get; } = text;

    internal override string Describe() => $"\"{Text}\"";
}

/// <summary>A section of keys, in the order of the file.</summary>
internal sealed class SectionNode(string where) : PlanNode(where)
{
    private readonly List<string> _keys = [];
    private readonly Dictionary<string, PlanNode> _items = new(StringComparer.Ordinal);

    internal IReadOnlyList<string> Keys => _keys;

    internal PlanNode? this[string key]
    {
        get => _items.GetValueOrDefault(key);
        set
        {
            if (value is null)
            {
                _items.Remove(key);
                _keys.Remove(key);
                return;
            }
            if (!_items.ContainsKey(key)) _keys.Add(key);
            _items[key] = value;
        }
    }

    internal override string Describe() => "a section { ... }";
}

/// <summary>A list.</summary>
internal sealed class ListNode(string where, List<PlanNode> items) : PlanNode(where)
{
    internal List<PlanNode> Items { get; } = items;

    internal override string Describe() => $"a list of {Items.Count}";
}

/// <summary>Turns HOCON text and <c>--set</c> arguments into one tree.</summary>
internal static class PlanTree
{
    /// <summary>Parses a text and lays the settings over it, later ones over earlier ones.</summary>
    internal static SectionNode Parse(string text, string file, IReadOnlyList<KeyValuePair<string, string>> sets)
    {
        text = text.TrimStart('\uFEFF');
        var lines = HoconSyntax.Check(file, text);
        var root = (SectionNode)Convert(Values(file, text), "", path => Where(file, path, lines))!;
        foreach (var (path, value) in sets) Set(root, path, value);
        return root;
    }

    private static string Where(string file, string path, IReadOnlyDictionary<string, int> lines) =>
        path.Length == 0 ? file
        : lines.TryGetValue(path, out int line) ? $"{file}: {path} (line {line})"
        : throw new BadInputException($"{file}: {path}", "a key that only one of two readings of the file has", "a simpler way to write it");

    private static HoconValue Values(string file, string text)
    {
        try
        {
            return Parser.Parse(text, null).Value;
        }
        catch (Exception error) when (error is not BadInputException)
        {
            throw new BadInputException(file, $"text that is not HOCON ({error.Message})", "key = value lines, see the plans in hocon/plans", error);
        }
    }

    /// <summary>A null in the file is the same as no value: the default holds.</summary>
    private static PlanNode? Convert(HoconValue value, string path, Func<string, string> where)
    {
        if (value.IsObject())
        {
            var section = new SectionNode(where(path));
            foreach (var (key, item) in value.GetObject().Items)
                section[key] = Convert(item, path.Length == 0 ? key : $"{path}.{key}", where);
            return section;
        }
        if (value.Values.Any(element => element.IsArray()))
        {
            // Akka reads "[ ]" as a list of one item without content.
            var items = value.GetArray().Where(item => item.Values.Count > 0).Select((item, index) =>
            {
                string itemPath = $"{path}.{index}";
                return Convert(item, itemPath, where) ?? throw new BadInputException(where(itemPath), "null", "a value in the list");
            });
            return new ListNode(where(path), [.. items]);
        }
        // Text that was empty between its quotes is no literal at all for Akka's reader.
        string? text = value.Values.Count == 0 ? "" : value.GetString();
        return text is null ? null : new ScalarNode(where(path), text);
    }

    private static void Set(SectionNode root, string path, string value)
    {
        string where = $"--set {path}";
        string[] segments = path.Split('.');
        if (segments.Any(segment => segment.Length == 0))
            throw new BadInputException(where, "a path with an empty part", "path=value, for example optimizer.learning-rate=0.001");
        PlanNode node = root;
        for (int i = 0; i < segments.Length - 1; i++)
        {
            PlanNode? next = Child(node, segments[i], where);
            if (next is null && node is SectionNode section) section[segments[i]] = next = new SectionNode(where);
            node = next!;
        }
        string key = segments[^1];
        PlanNode? replacement = SetValue(where, value);
        Child(node, key, where);
        if (node is ListNode list)
            list.Items[int.Parse(key, CultureInfo.InvariantCulture)] =
                replacement ?? throw new BadInputException(where, "null", "a value in the list");
        else ((SectionNode)node)[key] = replacement;
        // Where the model comes from is one choice: choosing anew on the command line replaces the file's choice.
        if (path is "model.preset" or "model.config" && replacement is not null)
            ((SectionNode)node)[key == "preset" ? "config" : "preset"] = null;
    }

    /// <summary>The child of a section or list; null where a section has none of that name.</summary>
    private static PlanNode? Child(PlanNode node, string key, string where) => node switch
    {
        SectionNode section => section[key],
        ListNode list when int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < list.Items.Count =>
            list.Items[index],
        ListNode list =>
            throw new BadInputException(where, $"\"{key}\" in a list of {list.Items.Count}", $"an index from 0 to {list.Items.Count - 1}"),
        _ => throw new BadInputException(where, $"\"{key}\" inside {node.Describe()}", "a section or a list there"),
    };

    /// <summary>
    /// A shell has its own quoting, so the argument is taken as it is; only what starts like a section, a list or a quoted text is HOCON.
    /// </summary>
    private static PlanNode? SetValue(string where, string value)
    {
        string trimmed = value.Trim();
        if (trimmed == "null") return null;
        if (trimmed.Length == 0 || trimmed[0] is not ('{' or '[' or '"')) return new ScalarNode(where, trimmed);
        const string Name = "value";
        string text = $"{Name} = {trimmed}";
        _ = HoconSyntax.Check(where, text);
        var root = (SectionNode)Convert(Values(where, text), "", inner => inner.Length > Name.Length ? $"{where}{inner[Name.Length..]}" : where)!;
        return root[Name];
    }
}
