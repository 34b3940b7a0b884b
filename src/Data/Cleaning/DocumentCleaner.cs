namespace ElasticTrain.Data.Cleaning;

/// <summary>A document on its way: its text, what was done to it, what was measured.</summary>
/// <param name="Text">The text for training, if it stays.</param>
/// <param name="Changes">What cleaning changed.</param>
/// <param name="Signals">What rules judge; stored beside the text.</param>
public sealed record CleanedDocument(string Text, TextChanges Changes, DocumentSignals Signals);

/// <summary>Cleans, scrubs and measures documents as a profile says. Thread-safe; the same text gives the same document.</summary>
/// <param name="profile">Options and rules.</param>
/// <param name="languages">Tells languages; needed where the profile identifies them.</param>
public sealed class DocumentCleaner(CleaningProfile profile, ILanguageIdentifier? languages = null)
{
    private readonly ILanguageIdentifier? _languages = !profile.IdentifyLanguage ? null
        : languages ?? throw new ArgumentException($"the profile {profile.Name} identifies languages", nameof(languages));

    /// <summary>The profile.</summary>
    public CleaningProfile Profile => profile;

    /// <summary>Everything that needs the text; rules can change afterwards.</summary>
    public CleanedDocument Process(string text)
    {
        CleanText clean = TextCleaner.Clean(text, profile.Cleaning);
        ScrubbedText scrubbed = Scrubber.Scrub(clean.Text, profile.Scrubbing);
        MeasuredText measured = SignalMeter.Measure(scrubbed.Text, profile.Signals);
        var numbers = new Dictionary<string, double>(measured.Signals.Numbers, StringComparer.Ordinal)
        {
            [Signal.ScrubbedEmails] = scrubbed.Emails,
            [Signal.ScrubbedPhones] = scrubbed.Phones,
            [Signal.ScrubbedAddresses] = scrubbed.Addresses,
        };
        if (_languages is null) return new CleanedDocument(measured.Text, clean.Changes, new DocumentSignals(numbers));
        LanguageGuess guess = _languages.Identify(scrubbed.Text);
        numbers[Signal.LanguageConfidence] = guess.Confidence;
        return new CleanedDocument(measured.Text, clean.Changes, new DocumentSignals(numbers, [new(Signal.Language, guess.Code)]));
    }

    /// <summary>Whether a document stays.</summary>
    /// <param name="signals">As <see cref="Process"/> gave them, or read from a file.</param>
    /// <param name="all">Report every rule that it fails.</param>
    public Verdict Judge(DocumentSignals signals, bool all = false) => profile.Rules.Judge(signals, all);
}
