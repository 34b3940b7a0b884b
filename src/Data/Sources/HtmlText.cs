using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;

namespace ElasticTrain.Data.Sources;

/// <summary>
/// The main text of a page: blocks become paragraphs, list items and table rows lines. Scripts, styles, navigation, forms and what stands around the content
/// are left out. Where the page has exactly one <c>main</c> (or else one <c>article</c>), that is the content.
/// </summary>
internal static class HtmlText
{
    private static readonly HashSet<string> LeftOut = Set(
        "script style noscript template nav aside footer form button select option input textarea iframe object embed svg math canvas audio video map dialog head");

    private static readonly HashSet<string> Paragraphs = Set(
        "p div section article main body header h1 h2 h3 h4 h5 h6 ul ol dl table blockquote pre figure figcaption address details summary hr center fieldset");

    private static readonly HashSet<string> Lines = Set("li dt dd tr caption thead tbody tfoot");

    private static HashSet<string> Set(string names) => new(names.Split(' '), StringComparer.Ordinal);

    /// <summary>The text; lines end with LF, paragraphs with an empty line.</summary>
    internal static string Of(IHtmlDocument page)
    {
        INode? root = Only(page, "main") ?? Only(page, "article") ?? page.Body;
        if (root is null) return "";
        var text = new TextBuilder();
        int pre = 0;
        // A loop, because pages nest deeper than a stack is.
        for (var node = root; node is not null;)
        {
            var next = Enter(node, text, ref pre) ? node.FirstChild : null;
            while (next is null && node is not null)
            {
                Leave(node, text, ref pre);
                next = node == root ? null : node.NextSibling;
                node = node == root ? null : node.Parent;
            }
            node = next;
        }
        return text.ToString();
    }

    /// <summary>White space runs as one space.</summary>
    internal static string Collapse(string text)
    {
        var result = new TextBuilder();
        result.Flow(text);
        return result.ToString();
    }

    private static IElement? Only(IHtmlDocument page, string name) => page.GetElementsByTagName(name) is { Length: 1 } one ? one[0] : null;

    /// <summary>Whether what is inside the node is text too.</summary>
    private static bool Enter(INode node, TextBuilder text, ref int pre)
    {
        if (node is IText words)
        {
            if (pre > 0) text.Exact(words.Data);
            else text.Flow(words.Data);
            return false;
        }
        if (node is not IElement element) return false;
        string name = element.LocalName;
        if (name == "br") text.Break(1);
        else if (Lines.Contains(name)) text.Break(1);
        else if (name is "td" or "th") text.Space();
        else if (Paragraphs.Contains(name)) text.Break(2);
        if (LeftOut.Contains(name) || element.HasAttribute("hidden")) return false;
        // The header of the page itself holds its navigation; that of an article holds its title.
        if (name == "header" && element.Parent is IHtmlBodyElement) return false;
        if (name == "pre") pre++;
        return true;
    }

    private static void Leave(INode node, TextBuilder text, ref int pre)
    {
        if (node is not IElement element) return;
        if (Lines.Contains(element.LocalName)) text.Break(1);
        else if (Paragraphs.Contains(element.LocalName)) text.Break(2);
        if (element.LocalName == "pre") pre--;
    }

    /// <summary>Text in which breaks and spaces count once, and not at the ends.</summary>
    private sealed class TextBuilder
    {
        private readonly StringBuilder _text = new();
        private int _breaks;
        private bool _space;

        internal void Break(int lines) => _breaks = Math.Max(_breaks, lines);

        internal void Space() => _space = true;

        internal void Flow(string text)
        {
            foreach (var range in text.AsSpan().SplitAny(" \t\n\r\f"))
            {
                var word = text.AsSpan(range);
                if (range.Start.Value > 0) _space = true;
                if (word.IsEmpty) continue;
                Pending();
                _text.Append(word);
            }
        }

        internal void Exact(string text)
        {
            if (text.Length == 0) return;
            Pending();
            _text.Append(text);
        }

        private void Pending()
        {
            if (_text.Length > 0)
            {
                if (_breaks > 0) _text.Append('\n', _breaks);
                else if (_space) _text.Append(' ');
            }
            (_breaks, _space) = (0, false);
        }

        public override string ToString() => _text.ToString();
    }
}
