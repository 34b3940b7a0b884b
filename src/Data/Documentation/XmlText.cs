using System.Text;
using System.Xml;

namespace ElasticTrain.Data;

/// <summary>Reads an element of an XML documentation file as plain text: references become names, paragraphs lines, code stays as it is.</summary>
internal sealed class XmlText(GenericNames generics)
{
    private readonly TextFlow _flow = new();

    /// <summary>The text inside the current element; the reader ends on its end tag.</summary>
    internal string Read(XmlReader reader)
    {
        ReadContent(reader);
        return _flow.Take();
    }

    private void ReadContent(XmlReader reader)
    {
        if (reader.IsEmptyElement) return;
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (IsText(reader)) _flow.Add(reader.Value);
            else if (reader.NodeType == XmlNodeType.Element) ReadElement(reader);
        }
    }

    private void ReadElement(XmlReader reader)
    {
        switch (reader.LocalName)
        {
            case "see" or "seealso" or "paramref" or "typeparamref" or "xref" when reader.IsEmptyElement:
                _flow.Add(ReferenceText(reader));
                break;
            case "code":
                _flow.AddCode(RawText(reader));
                break;
            case "para" or "p" or "br" or "list" or "item" or "listheader" or "ul" or "ol" or "li" or "div":
                _flow.Break();
                ReadContent(reader);
                _flow.Break();
                break;
            case "term":
                ReadContent(reader);
                _flow.Add(": ");
                break;
            case "include" or "devremarks" or "forInternalUseOnly" or "script":
                RawText(reader);
                break;
            default:
                ReadContent(reader);
                break;
        }
    }

    private string ReferenceText(XmlReader reader)
    {
        if (reader.GetAttribute("cref") is { } cref) return DocumentationId.Display(cref, generics);
        foreach (string attribute in (ReadOnlySpan<string>)["langword", "name", "uid", "href"])
        {
            if (reader.GetAttribute(attribute) is { } value) return value;
        }
        return "";
    }

    /// <summary>The text of the current element with its white space; the reader ends on its end tag.</summary>
    private string RawText(XmlReader reader)
    {
        if (reader.IsEmptyElement) return "";
        int depth = reader.Depth;
        var text = new StringBuilder();
        while (reader.Read() && reader.Depth > depth)
        {
            if (IsText(reader)) text.Append(reader.Value);
            else if (reader.NodeType == XmlNodeType.Element && reader.IsEmptyElement) text.Append(ReferenceText(reader));
        }
        return text.ToString();
    }

    private static bool IsText(XmlReader reader) =>
        reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace;
}
