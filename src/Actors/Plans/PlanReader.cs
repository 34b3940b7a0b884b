using System.Globalization;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>
/// Reads one section of a plan key by key. Whatever is wrong goes to the errors and a harmless value comes back, so that reading goes on
/// and the user sees everything at once. <see cref="Close"/> reports the keys that nothing asked for.
/// </summary>
/// <param name="errors">Where problems go.</param>
/// <param name="file">The plan's name, for keys that are not there.</param>
/// <param name="path">The section's path from the root; empty for the root.</param>
/// <param name="node">The section; null if the plan has none, so that every key takes its default.</param>
internal sealed class PlanReader(PlanErrors errors, string file, string path, SectionNode? node)
{
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    internal PlanErrors Errors => errors;

    /// <summary>Where a key stands, or would stand if it were there.</summary>
    internal string Where(string key) => node?[key]?.Where ?? $"{file}: {PathOf(key)}";

    internal bool Has(string key) => node?[key] is not null;

    /// <summary>Whether a key is there and holds a section, not a value.</summary>
    internal bool HasSection(string key) => node?[key] is SectionNode;

    /// <summary>Reports a value that is wrong in itself or beside others.</summary>
    internal void Wrong(string key, string found, string expected) => errors.Add(Where(key), found, expected);

    internal string PathOf(string key) => path.Length == 0 ? key : $"{path}.{key}";

    /// <summary>A section inside this one; an absent one reads as if it were empty.</summary>
    internal PlanReader Section(string key)
    {
        PlanNode? found = Ask(key);
        if (found is not (null or SectionNode)) errors.Add(found.Where, found.Describe(), $"a section: {key} {{ ... }}");
        return new PlanReader(errors, file, PathOf(key), found as SectionNode);
    }

    /// <summary>The sections of a list, in order; empty if the key is absent.</summary>
    internal IReadOnlyList<PlanReader> Sections(string key)
    {
        switch (Ask(key))
        {
            case null: return [];
            case ListNode list:
                foreach (var item in list.Items.Where(item => item is not SectionNode))
                    errors.Add(item.Where, item.Describe(), "a section { ... }");
                return [.. list.Items.Select((item, index) => new PlanReader(errors, file, $"{PathOf(key)}.{index}", item as SectionNode))];
            case var other:
                errors.Add(other.Where, other.Describe(), $"a list: {key} = [ {{ ... }} ]");
                return [];
        }
    }

    /// <summary>Text; <paramref name="absent"/> if the key is not there, or an error if that is null.</summary>
    internal string Text(string key, string? absent) => OptionalText(key) ?? absent ?? Missing(key, "text", "");

    /// <summary>Text, or null if the key is not there. Empty text is an error.</summary>
    internal string? OptionalText(string key)
    {
        if (Scalar(key, "text") is not { } scalar) return null;
        if (scalar.Text.Length == 0) errors.Add(scalar.Where, "empty text", "text, or no such key");
        return scalar.Text;
    }

    internal int Int(string key, int? absent, int min, int max = int.MaxValue) => (int)Long(key, absent, min, max);

    internal long Long(string key, long? absent, long min, long max = long.MaxValue)
    {
        string expected = max is long.MaxValue or int.MaxValue ? $"a whole number of at least {min}" : $"a whole number from {min} to {max}";
        if (Ask(key) is null) return absent ?? Missing(key, expected, min);
        if (Scalar(key, expected) is not { } scalar) return min;
        if (long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= min && value <= max)
            return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return min;
    }

    /// <summary>A whole number, or the word that stands for none.</summary>
    internal int? IntOr(string key, string none, int min)
    {
        string expected = $"a whole number of at least {min}, or {none}";
        if (Scalar(key, expected) is not { } scalar || scalar.Text == none) return null;
        if (int.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= min) return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return null;
    }

    internal ulong Seed(string key, ulong absent)
    {
        const string expected = "a whole number from 0 to 18446744073709551615";
        if (Scalar(key, expected) is not { } scalar) return absent;
        if (ulong.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)) return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return absent;
    }

    /// <summary>A finite number that <paramref name="accept"/> accepts.</summary>
    internal double Number(string key, double? absent, Func<double, bool> accept, string expected)
    {
        if (Ask(key) is null) return absent ?? Missing(key, expected, 1.0);
        return Scalar(key, expected) is { } scalar ? Number(scalar, accept, expected) : absent ?? 1.0;
    }

    /// <summary>A list of exactly <paramref name="absent"/>'s length.</summary>
    internal double[] Numbers(string key, double[] absent, Func<double, bool> accept, string expected)
    {
        PlanNode? found = Ask(key);
        if (found is null) return absent;
        string list = $"a list of {absent.Length} numbers, each {expected}";
        if (found is ListNode { Items: var items } && items.Count == absent.Length && items.All(item => item is ScalarNode))
            return [.. items.Select(item => Number((ScalarNode)item, accept, list))];
        errors.Add(found.Where, found.Describe(), list);
        return absent;
    }

    internal bool Flag(string key, bool absent)
    {
        const string expected = "true or false";
        if (Scalar(key, expected) is not { } scalar) return absent;
        switch (scalar.Text)
        {
            case "true" or "on" or "yes": return true;
            case "false" or "off" or "no": return false;
        }
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return absent;
    }

    internal TimeSpan Duration(string key, TimeSpan absent, TimeSpan min)
    {
        string expected = $"a duration of at least {Units.ToHocon(min)}, with its unit (for example 500 ms or 2 s)";
        if (Scalar(key, expected) is not { } scalar) return absent;
        if (Units.TryDuration(scalar.Text, out TimeSpan value) && value >= min && value <= TimeSpan.FromDays(365)) return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return absent;
    }

    internal long? OptionalBytes(string key)
    {
        const string expected = "a size of at least 1 byte (for example 64 MiB)";
        if (Scalar(key, expected) is not { } scalar) return null;
        if (Units.TryBytes(scalar.Text, out long value) && value >= 1) return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return null;
    }

    /// <summary>One of a few words. <paramref name="later"/> holds words that the design names and that do not work yet.</summary>
    internal T Choice<T>(string key, T absent, IReadOnlyList<(string Word, T Value)> words, params string[] later)
    {
        string expected = string.Join(" or ", words.Select(word => word.Word));
        if (Scalar(key, expected) is not { } scalar) return absent;
        foreach (var (word, value) in words)
            if (word == scalar.Text) return value;
        string found = later.Contains(scalar.Text) ? $"{scalar.Describe()}, which is not supported yet" : scalar.Describe();
        errors.Add(scalar.Where, found, expected);
        return absent;
    }

    /// <summary>Reports keys that nothing asked for.</summary>
    internal void Close()
    {
        foreach (string key in node?.Keys ?? [])
            if (!_asked.Contains(key)) errors.Unknown(node![key]!.Where, PathOf(key));
    }

    private PlanNode? Ask(string key)
    {
        _asked.Add(key);
        errors.Known(PlanErrors.WithoutIndices(PathOf(key)));
        return node?[key];
    }

    private ScalarNode? Scalar(string key, string expected)
    {
        PlanNode? found = Ask(key);
        if (found is not (null or ScalarNode)) errors.Add(found.Where, found.Describe(), expected);
        return found as ScalarNode;
    }

    private T Missing<T>(string key, string expected, T harmless)
    {
        errors.Add(Where(key), "nothing", expected);
        return harmless;
    }

    private double Number(ScalarNode scalar, Func<double, bool> accept, string expected)
    {
        if (double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) && accept(value))
            return value;
        errors.Add(scalar.Where, scalar.Describe(), expected);
        return 1.0;
    }
}
