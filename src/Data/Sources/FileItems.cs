namespace ElasticTrain.Data.Sources;

/// <summary>Items that stand for a whole file.</summary>
internal static class FileItems
{
    /// <summary>A file that is kept out whole.</summary>
    internal static QuarantinedRecord Problem(SourceFile file, QuarantineKind kind, string reason, string excerpt = "") =>
        new(file.Name, Excerpt.Escape(file.Name), kind, reason, excerpt, SourcePosition.End(1));

    /// <summary>A file with nothing in it.</summary>
    internal static QuarantinedRecord Empty(SourceFile file) =>
        Problem(file, QuarantineKind.NoText, file.Bytes == 0 ? "an empty file (or no regular one)" : "no text in it");

    /// <summary>A text that is the whole file.</summary>
    internal static SourceItem Document(SourceFile file, string text, SourceMetadata metadata) =>
        text.Length == 0 ? Empty(file) : new SourceDocument(file.Name, text, metadata, SourcePosition.End(1));
}
