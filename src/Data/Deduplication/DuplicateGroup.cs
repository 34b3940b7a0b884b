namespace ElasticTrain.Data.Deduplication;

/// <summary>Documents that are copies of each other.</summary>
/// <param name="Kept">The one that stays: the smallest key, compared ordinally.</param>
/// <param name="Removed">The others, by key; at least one.</param>
public sealed record DuplicateGroup(string Kept, IReadOnlyList<Duplicate> Removed);

/// <summary>A document that goes.</summary>
/// <param name="Key">The document.</param>
/// <param name="Like">The document of the same group that it was found to be like; not always the one that is kept.</param>
/// <param name="Similarity">How like: 1 for equal ones, the Jaccard similarity for others, estimated if the texts were not read again.</param>
public sealed record Duplicate(string Key, string Like, double Similarity);
