namespace ElasticTrain.Data.Cleaning;

/// <summary>The language of a text.</summary>
/// <param name="Code">ISO 639-1; <see cref="Unknown"/> if there is nothing to tell it by.</param>
/// <param name="Confidence">Between 0 and 1.</param>
public readonly record struct LanguageGuess(string Code, double Confidence)
{
    /// <summary>ISO 639-2's code for an undetermined language.</summary>
    public const string Unknown = "und";
}

/// <summary>Tells languages apart. Implementations are thread-safe, and the same text gives the same answer on any machine.</summary>
public interface ILanguageIdentifier
{
    /// <summary>The most likely language.</summary>
    LanguageGuess Identify(string text);
}
