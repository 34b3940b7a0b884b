namespace ElasticTrain.Model;

/// <summary>The words of the configuration's choices as Hugging Face writes them: <see cref="TopkMethod.NoauxTc"/> is noaux_tc.</summary>
public static class ConfigWords
{
    /// <summary>A choice's word.</summary>
    public static string Of(Enum choice) =>
        string.Concat(choice.ToString().Select((c, index) => char.IsUpper(c) ? (index > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));

    /// <summary>All words of a kind of choice.</summary>
    /// <param name="choice">An enumeration of the configuration.</param>
    public static IReadOnlyList<string> All(Type choice) => [.. Enum.GetValues(choice).Cast<Enum>().Select(Of)];

    /// <summary>The choice that a word stands for; null if it stands for none.</summary>
    public static Enum? Parse(Type choice, string word) => Enum.GetValues(choice).Cast<Enum>().FirstOrDefault(value => Of(value) == word);
}
