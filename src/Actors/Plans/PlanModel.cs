using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Plans;

/// <summary>The network of a plan.</summary>
/// <param name="Preset">The preset that the plan started from, for the user; null for a configuration file or fields alone.</param>
/// <param name="Config">Every size and constant, overrides applied.</param>
public sealed record ModelPlan(string? Preset, ModelConfig Config);

/// <summary>
/// Binds the model section: a preset, or a Hugging Face configuration, with single fields over it; or all fields. The keys are the
/// properties of <see cref="ModelConfig"/> in kebab case, so that a field added there is a key here.
/// </summary>
internal static class PlanModel
{
    /// <summary>How a plan says that an optional size is absent; HOCON's null means "take the preset's".</summary>
    private const string None = "none";

    private static readonly (string Key, PropertyInfo Property)[] Properties =
    [
        .. typeof(ModelConfig).GetProperties().Where(property => property.SetMethod is { IsPublic: true })
            .Select(property => (Kebab(property.Name), property)),
    ];

    private static readonly PropertyInfo[] YarnProperties = [.. typeof(YarnScaling).GetProperties().Where(property => property.SetMethod is { IsPublic: true })];

    internal static ModelPlan? Bind(PlanReader section, Func<string, string> resolve)
    {
        int errors = section.Errors.Count;
        string? preset = section.OptionalText("preset"), file = section.OptionalText("config");
        if (preset is not null && file is not null) section.Wrong("config", "a preset and a config", "one of the two");
        ModelConfig? start =
            section.Errors.Count > errors ? null
            : preset is not null ? Preset(section, preset)
            : file is not null ? FromFile(section, resolve(file))
            : null;
        var config = start is null ? (ModelConfig)Activator.CreateInstance(typeof(ModelConfig), nonPublic: true)! : start with { };
        if (preset is null && file is null && Properties.All(field => !section.Has(field.Key)))
            section.Wrong("preset", "nothing", $"a preset ({string.Join(", ", ModelConfig.PresetNames)}), or config = HFDIR");
        bool isFieldsAlone = start is null && section.Errors.Count == errors;
        foreach (var (key, property) in Properties)
        {
            bool isMissing = isFieldsAlone && property.IsDefined(typeof(RequiredMemberAttribute));
            if (section.Has(key) || isMissing) property.SetValue(config, Value(section, key, property));
            else section.Errors.Known(section.PathOf(key));
        }
        section.Close();
        if (section.Errors.Count > errors) return null;
        try
        {
            config.Validate(section.PathOf(""));
            return new ModelPlan(preset, config);
        }
        catch (BadInputException problem)
        {
            // The model names the field as Hugging Face does; the user has to change the plan's key.
            string key = problem.Where[(problem.Where.LastIndexOf(' ') + 1)..].Replace('_', '-');
            section.Wrong(key, problem.Found, problem.Expected.Replace('_', '-'));
            return null;
        }
    }

    /// <summary>All fields as HOCON keys and values.</summary>
    internal static IEnumerable<(string Key, string Value)> Fields(ModelConfig config) =>
        Properties.Select(field => (field.Key, Text(field.Property.GetValue(config))));

    private static string Text(object? value) => value switch
    {
        null => None,
        bool flag => flag ? "true" : "false",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        Enum choice => ConfigWords.Of(choice),
        YarnScaling yarn => $"{{ {string.Join(", ", YarnProperties.Select(field => $"{Kebab(field.Name)} = {Text(field.GetValue(yarn))}"))} }}",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static object? Value(PlanReader section, string key, PropertyInfo property)
    {
        Type type = property.PropertyType;
        return type == typeof(int) ? section.Int(key, null, 0)
            : type == typeof(int?) ? section.IntOr(key, None, 1)
            : type == typeof(double) ? section.Number(key, null, _ => true, "a number")
            : type == typeof(bool) ? section.Flag(key, false)
            : type.IsEnum ? section.Choice(key, (Enum)Activator.CreateInstance(type)!, [.. ConfigWords.All(type).Select(word => (word, ConfigWords.Parse(type, word)!))])
            : type == typeof(YarnScaling) ? Yarn(section, key)
            : throw new InvalidOperationException($"ModelConfig has a property of type {type}, which a plan cannot hold.");
    }

    /// <summary>A section with YaRN's settings, or none.</summary>
    private static YarnScaling? Yarn(PlanReader section, string key)
    {
        if (!section.HasSection(key))
        {
            if (section.OptionalText(key) is { } text && text != None)
                section.Wrong(key, $"\"{text}\"", $"a section {{ factor, original-max-position-embeddings, ... }} for YaRN, or {None}");
            return null;
        }
        PlanReader yarn = section.Section(key);
        var scaling = new YarnScaling(
            yarn.Number("factor", null, _ => true, "a number"), yarn.Int("original-max-position-embeddings", null, 0),
            yarn.Number("beta-fast", 32, _ => true, "a number"), yarn.Number("beta-slow", 1, _ => true, "a number"),
            yarn.Number("mscale", 1, _ => true, "a number"), yarn.Number("mscale-all-dim", 0, _ => true, "a number"));
        yarn.Close();
        return scaling;
    }

    private static ModelConfig? Preset(PlanReader section, string name)
    {
        if (ModelConfig.PresetNames.Contains(name)) return ModelConfig.Preset(name);
        string? nearest = EditDistance.Nearest(name, ModelConfig.PresetNames);
        string expected = nearest is not null ? $"\"{nearest}\"" : $"one of {string.Join(", ", ModelConfig.PresetNames)}";
        section.Wrong("preset", $"\"{name}\"", expected);
        return null;
    }

    private static ModelConfig? FromFile(PlanReader section, string path)
    {
        try
        {
            return ModelConfig.FromHuggingFace(Directory.Exists(path) ? Path.Combine(path, "config.json") : path);
        }
        catch (BadInputException problem)
        {
            section.Wrong("config", $"{problem.Where}: {problem.Found}", problem.Expected);
            return null;
        }
    }

    /// <summary>NRoutedExperts -> n-routed-experts.</summary>
    private static string Kebab(string name) =>
        string.Concat(name.Select((c, index) => char.IsUpper(c) ? (index > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
