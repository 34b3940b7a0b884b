namespace ElasticTrain.Data;

/// <summary>One member of an XML documentation file, its texts already plain.</summary>
internal sealed record DocumentedMember(DocumentationId Id, string Raw)
{
    internal string Summary { get; set; } = "";
    internal string Value { get; set; } = "";
    internal string Returns { get; set; } = "";
    internal string Remarks { get; set; } = "";
    internal string Example { get; set; } = "";
    internal List<(string Name, string Text)> TypeParameters { get; } = [];
    internal List<(string Name, string Text)> Parameters { get; } = [];
    internal List<(string Name, string Text)> Exceptions { get; } = [];

    internal bool HasText => Summary.Length + Value.Length + Returns.Length + Remarks.Length + Example.Length > 0
        || Parameters.Any(item => item.Text.Length > 0) || Exceptions.Count > 0;
}
