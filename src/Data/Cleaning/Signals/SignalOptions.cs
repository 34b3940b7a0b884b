namespace ElasticTrain.Data.Cleaning;

/// <summary>What signals depend on besides the text.</summary>
public sealed record SignalOptions
{
    /// <summary>Rules for lines; they are counted in any case, and applied where <see cref="C4LineOptions.Remove"/> says so.</summary>
    public C4LineOptions Lines { get; init; } = new();

    /// <summary>Words to count; none by default.</summary>
    public BadWordList? BadWords { get; init; }
}
