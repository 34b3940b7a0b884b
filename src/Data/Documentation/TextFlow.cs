using System.Text;

namespace ElasticTrain.Data;

/// <summary>Builds plain text from marked-up text: white space collapses to one blank, breaks to one line end, code stays as it is.</summary>
internal sealed class TextFlow
{
    private readonly StringBuilder _text = new();
    private bool _blank;

    /// <summary>Appends running text.</summary>
    internal void Add(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (char.IsWhiteSpace(c))
            {
                _blank = true;
                continue;
            }
            if (_blank && _text.Length > 0 && _text[^1] != '\n') _text.Append(' ');
            _blank = false;
            _text.Append(c);
        }
    }

    /// <summary>Whatever follows starts on a new line.</summary>
    internal void Break()
    {
        _blank = false;
        if (_text.Length > 0 && _text[^1] != '\n') _text.Append('\n');
    }

    /// <summary>Appends code: lines of its own if it has several, else part of the running text.</summary>
    internal void AddCode(string code)
    {
        string[] lines = [.. code.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd())];
        int first = Array.FindIndex(lines, line => line.Length > 0), last = Array.FindLastIndex(lines, line => line.Length > 0);
        if (first < 0) return;
        if (first == last)
        {
            Add(code);
            return;
        }
        lines = lines[first..(last + 1)];
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        Break();
        foreach (string line in lines) _text.Append(line.Length == 0 ? "" : line[indent..]).Append('\n');
    }

    /// <summary>The text so far; the flow starts afresh.</summary>
    internal string Take()
    {
        string result = _text.ToString().TrimEnd();
        _text.Clear();
        _blank = false;
        return result;
    }
}
