using Microsoft.ML.Tokenizers;

namespace ElasticTrain.Data;

/// <summary>Our rules in the clothes of Microsoft.ML.Tokenizers.</summary>
internal sealed class RulePreTokenizer(PreTokenization rules) : PreTokenizer
{
    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => PreTokenize(text.AsSpan());

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<int> ends = new PreTokenScanner(rules).Scan(text);
        var pieces = new (int Offset, int Length)[ends.Length];
        int start = 0;
        for (int i = 0; i < pieces.Length; i++)
        {
            pieces[i] = (start, ends[i] - start);
            start = ends[i];
        }
        return pieces;
    }
}
