namespace ElasticTrain.Data;

/// <summary>A piece of text that goes to the training or the validation side as a whole.</summary>
/// <param name="SplitKey">Documents with the same key go to the same side.</param>
/// <param name="OrderKey">Its hash places the document among the others.</param>
/// <param name="Text">UTF-8.</param>
/// <param name="PromptBytes">Leading bytes whose prediction does not count in the loss.</param>
internal sealed record Document(string SplitKey, string OrderKey, byte[] Text, int PromptBytes);
