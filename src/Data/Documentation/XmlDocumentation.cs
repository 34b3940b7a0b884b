using System.Text;
using System.Xml;
using ElasticTrain.Core;

namespace ElasticTrain.Data;

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

    /// <summary>
    /// One document per type of some files. They are read twice: the names of generic parameters first, then everything.
    /// </summary>
    /// <param name="files">Paths and contents; where two files document one member, the earlier file wins.</param>
    /// <exception cref="BadInputException">A file is not well-formed XML.</exception>
    internal static IEnumerable<Document> Documents(IReadOnlyList<(string Path, byte[] Content)> files)
    {
        var generics = new GenericNames();
        foreach (var types in Parallel(file => ReadTypes(file.Path, file.Content)))
        {
            foreach (var (type, parameters) in types) generics.Add(type, parameters);
        }
        var documents = new TypeDocuments(generics);
        foreach (var members in Parallel(file => ReadMembers(file.Path, file.Content, generics))) documents.Add(members);
        return documents.Render();

        // Results come in the files' order, so the number of threads changes nothing.
        IEnumerable<T> Parallel<T>(Func<(string Path, byte[] Content), T> read) => files.AsParallel().AsOrdered().Select(file =>
        {
            try
            {
                return (Value: read(file), Error: null);
            }
            catch (BadInputException error)
            {
                return (Value: default(T), Error: (BadInputException?)error);
            }
        }).AsEnumerable().Select(result => result.Error is null ? result.Value! : throw result.Error);
    }

    private static List<(string Type, string[] Parameters)> ReadTypes(string path, byte[] content)
    {
        var types = new List<(string, string[])>();
        ForEachMember(path, content, (reader, name) =>
        {
            if (reader.IsEmptyElement) return;
            bool wanted = name.StartsWith("T:", StringComparison.Ordinal) && TypeNames.ArityOf(name) > 0;
            var parameters = new List<string>();
            int depth = reader.Depth;
            while (reader.Read() && reader.Depth > depth)
            {
                if (wanted && reader.NodeType == XmlNodeType.Element && reader.LocalName == "typeparam" && reader.Depth == depth + 1)
                    parameters.Add(reader.GetAttribute("name") ?? "");
            }
            if (wanted) types.Add((name[2..], [.. parameters]));
        });
        return types;
    }

    private static List<DocumentedMember> ReadMembers(string path, byte[] content, GenericNames generics)
    {
        var members = new List<DocumentedMember>();
        var text = new XmlText(generics);
        ForEachMember(path, content, (reader, name) => members.Add(ReadMember(reader, name, text, generics)));
        return members;
    }

    private static void ForEachMember(string path, byte[] content, Action<XmlReader, string> read)
    {
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(content), Settings);
            while (reader.Read())
            {
                if (reader.NodeType == XmlNodeType.Element && reader.LocalName == "member" && reader.GetAttribute("name") is { } name) read(reader, name);
            }
        }
        catch (XmlException error)
        {
            throw new BadInputException($"{path}, line {error.LineNumber}", error.Message, "well-formed XML documentation", error);
        }
    }

    private static DocumentedMember ReadMember(XmlReader reader, string name, XmlText content, GenericNames generics)
    {
        var member = new DocumentedMember(DocumentationId.Parse(name), name);
        if (reader.IsEmptyElement) return member;
        int depth = reader.Depth;
        while (reader.Read() && reader.Depth > depth)
        {
            if (reader.NodeType != XmlNodeType.Element) continue;
            string tag = reader.LocalName;
            string attribute = reader.GetAttribute(tag == "exception" ? "cref" : "name") ?? "";
            string text = content.Read(reader);
            switch (tag)
            {
                case "summary": member.Summary = text; break;
                case "value": member.Value = text; break;
                case "returns": member.Returns = text; break;
                case "remarks": member.Remarks = text; break;
                case "example": member.Example = text; break;
                case "typeparam": member.TypeParameters.Add((attribute, text)); break;
                case "param": member.Parameters.Add((attribute, text)); break;
                case "exception": member.Exceptions.Add((DocumentationId.Display(attribute, generics), text)); break;
            }
        }
        return member;
    }
}
