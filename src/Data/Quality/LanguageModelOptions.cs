using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>How a language model is learned.</summary>
public sealed record LanguageModelOptions
{
    /// <summary>The longest order of n-grams that the model's file and keys have place for.</summary>
    internal const int MaxOrder = 5;

    /// <summary>Words of the longest n-grams.</summary>
    public int Order { get; init; } = 3;

    /// <summary>
    /// Of this order and of longer ones n-grams are dropped that count once, unless a longer one that stays begins with them; null keeps all. What they held goes to the shorter orders, as in
    /// KenLM's --prune. Of most texts three quarters of the trigrams go.
    /// </summary>
    public int? PruneSingletonsFrom { get; init; }

    /// <summary>A reference with more words is refused. Learning takes some 50 bytes per word at most (order 3), the finished model 12 per n-gram.</summary>
    public long MaxWords { get; init; } = 20_000_000;

    /// <summary>Throws unless the options can be used.</summary>
    /// <exception cref="BadInputException">A value is out of its range.</exception>
    public void Validate()
    {
        if (Order is < 1 or > MaxOrder) throw new BadInputException("language model: order", $"{Order}", $"1 to {MaxOrder}");
        if (PruneSingletonsFrom is < 2) throw new BadInputException("language model: order to prune singletons from", $"{PruneSingletonsFrom}", "2 or more, or none");
        if (MaxWords is < 1 or > 1_000_000_000) throw new BadInputException("language model: most words", $"{MaxWords}", "1 to 1000000000");
    }
}
