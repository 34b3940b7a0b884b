using System.Text;

namespace ElasticTrain.Data.Cleaning;

/// <summary>Applies <see cref="C4LineOptions"/> to the lines of a text. A line counts for the first rule that it fails.</summary>
internal sealed class C4Lines
{
    private readonly C4LineOptions _options;
    private StringBuilder? _kept;

    private C4Lines(C4LineOptions options) => _options = options;

    internal int LongWord { get; private set; }

    internal int Unpunctuated { get; private set; }

    internal int Short { get; private set; }

    internal int Javascript { get; private set; }

    internal int Policy { get; private set; }

    internal int Citations { get; private set; }

    internal int Sentences { get; private set; }

    /// <summary>Tokens of the text that is left.</summary>
    internal int Tokens { get; private set; }

    /// <summary>What is left of the text: the text itself where nothing is removed.</summary>
    internal string Text { get; private set; } = "";

    internal static C4Lines Apply(string text, List<LineFacts> lines, C4LineOptions options, bool hasPhrases)
    {
        var result = new C4Lines(options);
        for (int i = 0; i < lines.Count; i++) result.Line(text, lines[i], hasPhrases);
        result.Text = result._kept is null ? text : result._kept.ToString().TrimEnd('\n');
        if (result._kept is not null && text.EndsWith('\n') && result.Text.Length > 0) result.Text += "\n";
        return result;
    }

    private void Line(string text, LineFacts line, bool hasPhrases)
    {
        ReadOnlySpan<char> content = text.AsSpan(line.Start, line.End - line.Start).Trim();
        if (content.IsEmpty)
        {
            // A blank line is none that fails, and divides paragraphs as before.
            _kept?.Append('\n');
            return;
        }
        string? cut = _options.RemoveCitations && content.Contains('[') ? WikiCitations.Cut(content, out int citations) : NoCut(out citations);
        if (cut is not null) content = cut;
        if (Fails(content, line, hasPhrases))
        {
            if (_options.Remove) Kept(text, line);
            else Tokens += line.Tokens;
            return;
        }
        Citations += citations;
        LineFacts facts = cut is null ? line : LineFacts.Of(content, 0, content.Length, null);
        Sentences += facts.Sentences;
        Tokens += cut is not null && _options.Remove ? facts.Tokens : line.Tokens;
        if (cut is not null && _options.Remove) Kept(text, line).Append(cut).Append('\n');
        else _kept?.Append(text, line.Start, line.End - line.Start).Append('\n');
    }

    private static string? NoCut(out int citations)
    {
        citations = 0;
        return null;
    }

    private bool Fails(ReadOnlySpan<char> content, LineFacts line, bool hasPhrases)
    {
        if (line.LongestChunk > _options.MaxWordLength) LongWord++;
        else if (_options.RequireTerminalPunctuation && !IsPunctuated(content)) Unpunctuated++;
        else if (line.Chunks < _options.MinWords) Short++;
        else if (hasPhrases && _options.RejectJavascript && content.Contains(Phrases.Javascript, StringComparison.OrdinalIgnoreCase)) Javascript++;
        else if (hasPhrases && _options.RejectPolicies && content.ContainsAny(Phrases.Policies)) Policy++;
        else return false;
        return true;
    }

    private static bool IsPunctuated(ReadOnlySpan<char> content) =>
        !content.IsEmpty && content[^1] is '.' or '?' or '!' or '"' or '\'' && !content.EndsWith("...", StringComparison.Ordinal);

    /// <summary>The text that is left, begun with everything before the line where it differs first.</summary>
    private StringBuilder Kept(string text, LineFacts line) => _kept ??= new StringBuilder(text.Length).Append(text, 0, line.Start);
}
