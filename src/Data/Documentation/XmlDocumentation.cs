using System.Xml;
using ElasticTrain.Core;

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

/// <summary>Reads the XML documentation files that compilers write and SDKs ship. Format: ECMA-334 (C#), annex D.</summary>
internal static class XmlDocumentation
{
    private static readonly XmlReaderSettings Settings = new() { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, IgnoreComments = true };

    /// <summary>Whether the bytes are an XML documentation file: its root is doc, and members come first in it, or after assembly.</summary>
    internal static bool Is(byte[] content)
    {
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(content), Settings);
            if (reader.MoveToContent() != XmlNodeType.Element || reader.LocalName != "doc") return false;
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element) continue;
                if (reader.LocalName == "members") return true;
                if (reader.LocalName is not ("assembly" or "name")) return false;
            }
            return false;
        }
        catch (XmlException)
        {
            // Not XML at all: then it is no documentation, which is the answer.
            return false;
        }
    }

    /// <summary>The members of a file, in the file's order.</summary>
    /// <exception cref="BadInputException">The content is not well-formed XML.</exception>
    internal static List<DocumentedMember> Read(string path, byte[] content)
    {
        var members = new List<DocumentedMember>();
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(content), Settings);
            var flow = new TextFlow();
            while (reader.Read())
            {
                if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "member" && reader.GetAttribute("name") is { } name)
                    members.Add(ReadMember(reader, name, flow));
            }
            return members;
        }
        catch (XmlException error)
        {
            throw new BadInputException($"{path}, line {error.LineNumber}", error.Message, "well-formed XML documentation", error);
        }
    }

    private static DocumentedMember ReadMember(XmlReader reader, string name, TextFlow flow)
    {
        var member = new DocumentedMember(DocumentationId.Parse(name), name);
        if (reader.IsEmptyElement) return member;
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType != XmlNodeType.Element) continue;
            string tag = reader.LocalName;
            string attribute = reader.GetAttribute(tag == "exception" ? "cref" : "name") ?? "";
            ReadContent(reader, flow);
            string text = flow.Take();
            switch (tag)
            {
                case "summary": member.Summary = text; break;
                case "value": member.Value = text; break;
                case "returns": member.Returns = text; break;
                case "remarks": member.Remarks = text; break;
                case "example": member.Example = text; break;
                case "typeparam": member.TypeParameters.Add((attribute, text)); break;
                case "param": member.Parameters.Add((attribute, text)); break;
                case "exception": member.Exceptions.Add((DocumentationId.Display(attribute), text)); break;
            }
        }
        return member;
    }

    /// <summary>Flows everything inside the current element; the reader ends on its end tag.</summary>
    private static void ReadContent(XmlReader reader, TextFlow flow)
    {
        if (reader.IsEmptyElement) return;
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace)
                flow.Add(reader.Value);
            else if (reader.NodeType == XmlNodeType.Element)
                ReadElement(reader, flow);
        }
    }

    private static void ReadElement(XmlReader reader, TextFlow flow)
    {
        switch (reader.LocalName)
        {
            case "see" or "seealso" or "paramref" or "typeparamref" or "xref":
                if (reader.IsEmptyElement) flow.Add(ReferenceText(reader));
                else ReadContent(reader, flow);
                break;
            case "code":
                flow.AddCode(RawText(reader));
                break;
            case "para" or "p" or "br" or "list" or "item" or "listheader" or "ul" or "ol" or "li" or "div":
                flow.Break();
                ReadContent(reader, flow);
                flow.Break();
                break;
            case "term":
                ReadContent(reader, flow);
                flow.Add(": ");
                break;
            case "include" or "devremarks" or "forInternalUseOnly" or "script":
                RawText(reader);
                break;
            default:
                ReadContent(reader, flow);
                break;
        }
    }

    private static string ReferenceText(XmlReader reader)
    {
        if (reader.GetAttribute("cref") is { } cref) return DocumentationId.Display(cref);
        foreach (string attribute in (ReadOnlySpan<string>)["langword", "name", "uid", "href"])
        {
            if (reader.GetAttribute(attribute) is { } value) return value;
        }
        return "";
    }

    /// <summary>The text of the current element with its white space; the reader ends on its end tag.</summary>
    private static string RawText(XmlReader reader)
    {
        if (reader.IsEmptyElement) return "";
        int depth = reader.Depth;
        var text = new System.Text.StringBuilder();
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace)
                text.Append(reader.Value);
            else if (reader.NodeType == XmlNodeType.Element && reader.IsEmptyElement)
                text.Append(ReferenceText(reader));
        }
        return text.ToString();
    }
}
