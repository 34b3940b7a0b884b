using ElasticTrain.Core;

namespace ElasticTrain.Actors.Plans;

/// <summary>
/// Checks the syntax of a plan before Akka's HOCON parser reads it. That parser takes an unclosed brace, a key without a value or a word
/// left over on a line without complaint and drops what it does not understand; a plan must never lose a line silently. The check also
/// refuses what is legal HOCON but in a plan almost surely a slip (a key given twice), and notes the line of every key for messages.
/// Not taken in plans: include, substitutions and <c>+=</c>.
/// </summary>
internal sealed class HoconSyntax
{
    /// <summary>Sections and lists inside each other; the deepest plan has four.</summary>
    private const int MostDepth = 32;

    private const string NotInUnquotedText = "$\"{}[]:=,#`^?!@*&\\";
    private readonly string _file, _text;
    private readonly Dictionary<string, int> _lines = new(StringComparer.Ordinal);
    private readonly HashSet<string> _leaves = new(StringComparer.Ordinal);
    private int _index, _line = 1, _depth;

    private HoconSyntax(string file, string text) => (_file, _text) = (file, text);

    /// <summary>Checks a text.</summary>
    /// <returns>The line of every key, by its path from the root (<c>phases.0.steps</c>).</returns>
    /// <exception cref="BadInputException">The text is no well-formed plan; the line is named.</exception>
    internal static IReadOnlyDictionary<string, int> Check(string file, string text)
    {
        var syntax = new HoconSyntax(file, text);
        syntax.SkipBlank();
        bool braces = syntax.Peek == '{';
        int opened = syntax._line;
        if (braces) syntax._index++;
        syntax.Members("", braces ? opened : 0);
        syntax.SkipBlank();
        if (!syntax.End) throw syntax.Wrong(syntax.Here(), "the end of the file");
        return syntax._lines;
    }

    private bool End => _index >= _text.Length;

    private char Peek => End ? '\0' : _text[_index];

    private bool At(string what) => string.CompareOrdinal(_text, _index, what, 0, what.Length) == 0;

    private bool AtComment => Peek == '#' || At("//");

    private BadInputException Wrong(string found, string expected, int? line = null) =>
        new($"{_file}: line {line ?? _line}", found, expected);

    private string Here() => End ? "the end of the file" : Peek is '\n' or '\r' ? "the end of the line" : $"'{Peek}'";

    /// <summary>Skips spaces, line ends and comments. True if a line end was among them.</summary>
    private bool SkipBlank()
    {
        int line = _line;
        while (!End)
        {
            SkipSpaces();
            if (Peek == '\n') _line++;
            else if (Peek != '\r') break;
            _index++;
        }
        return _line > line;
    }

    /// <summary>Skips spaces on this line, and a comment up to the end of the line.</summary>
    private void SkipSpaces()
    {
        while (!End && Peek != '\n' && Peek != '\r' && char.IsWhiteSpace(Peek)) _index++;
        if (!End && AtComment)
            while (!End && Peek != '\n') _index++;
    }

    /// <summary>Reads <c>key = value</c>s up to the closing brace, or to the end of the file if <paramref name="opened"/> is 0.</summary>
    private void Members(string prefix, int opened)
    {
        while (true)
        {
            SkipBlank();
            if (End && opened == 0) return;
            if (End) throw Wrong("the end of the file", $"a '}}' for the '{{' of line {opened}");
            if (Peek == '}' && opened != 0)
            {
                _index++;
                return;
            }
            if (Peek == '}') throw Wrong("'}' without a '{'", "a key");
            Member(prefix);
            if (!Separator('}'))
                throw Wrong(Here(), "a line end or a comma after a value (text with special characters needs double quotes)");
        }
    }

    /// <summary>Consumes what must stand between two members. True if it is there or the list ends.</summary>
    private bool Separator(char close)
    {
        bool newLine = SkipBlank();
        if (Peek == ',')
        {
            _index++;
            return true;
        }
        return newLine || End || Peek == close;
    }

    private void Member(string prefix)
    {
        int line = _line;
        string path = Key(prefix);
        SkipSpaces();
        if (Peek == '{')
        {
            Note(path, line, isLeaf: false);
            Object(path);
            return;
        }
        if (Peek is not ('=' or ':'))
            throw Wrong($"{Here()} after the key \"{path}\"", "'=' and a value, or '{'");
        _index++;
        SkipSpaces();
        if (End || Peek is '\n' or '\r' or '}' or ',') throw Wrong($"no value after \"{path} =\"", "a value on the same line", line);
        Value(path, line);
    }

    private string Key(string prefix)
    {
        string path = prefix;
        do
        {
            int start = _index;
            string segment;
            if (Peek == '"') segment = Quoted();
            else
            {
                while (!End && (char.IsAsciiLetterOrDigit(Peek) || Peek is '-' or '_')) _index++;
                segment = _text[start.._index];
            }
            if (segment.Length == 0) throw Wrong(Here(), "a key (letters, digits, '-' and '_')");
            if (path.Length == 0 && segment == "include") throw Wrong("include", "a plan in one file; includes are not supported");
            path = path.Length == 0 ? segment : $"{path}.{segment}";
        }
        while (Peek == '.' && ++_index > 0);
        return path;
    }

    private void Value(string path, int line)
    {
        bool isSection = Peek == '{';
        Note(path, line, !isSection);
        if (isSection) Object(path);
        else if (Peek == '[') List(path);
        else Text(path);
        if (!isSection) _leaves.Add(path);
    }

    private void Object(string path)
    {
        int opened = _line;
        Enter();
        Members(path, opened);
        _depth--;
    }

    private void Enter()
    {
        if (++_depth > MostDepth) throw Wrong($"a {Peek} inside {MostDepth} others", "at most that many");
        _index++;
    }

    private void List(string path)
    {
        int opened = _line;
        Enter();
        for (int item = 0; ; item++)
        {
            SkipBlank();
            if (End) throw Wrong("the end of the file", $"a ']' for the '[' of line {opened}");
            if (Peek == ']')
            {
                _index++;
                _depth--;
                return;
            }
            Value($"{path}.{item}", _line);
            if (!Separator(']')) throw Wrong(Here(), "a comma or a ']' after a list's item");
        }
    }

    /// <summary>Quoted and unquoted text up to the end of the line, a comma or a closing bracket.</summary>
    private void Text(string path)
    {
        int start = _index;
        while (!End && Peek is not ('\n' or '\r' or ',' or '}' or ']'))
        {
            if (At("\"\"\"")) throw Wrong("triple quotes", "text in double quotes");
            if (AtComment)
            {
                if (char.IsWhiteSpace(_text[_index - 1])) return;
                throw Wrong($"a comment glued to the value of \"{path}\"", "double quotes around the value, or a space before the comment");
            }
            if (Peek == '$')
                throw Wrong($"'$' in the value of \"{path}\"", "a plain value; substitutions are not supported (double quotes make it text)");
            if (Peek == '"') Quoted();
            else if (NotInUnquotedText.Contains(Peek))
                throw Wrong($"{Here()} in the value of \"{path}\"", "double quotes around text with special characters");
            else _index++;
        }
        if (start == _index) throw Wrong(Here(), $"a value for \"{path}\"");
    }

    private string Quoted()
    {
        int start = ++_index;
        while (!End && Peek is not ('"' or '\n'))
        {
            if (Peek == '\\')
            {
                char escaped = ++_index < _text.Length ? Peek : '\n';
                if (!"\"\\/bfnrtu".Contains(escaped))
                    throw Wrong($"'\\{escaped}' in double quotes", "'\\\\' for a backslash (a forward slash works in paths too)");
            }
            _index++;
        }
        if (End || Peek == '\n') throw Wrong("an opening '\"' without a closing one", "both on the same line");
        return _text[start..(_index++)];
    }

    private void Note(string path, int line, bool isLeaf)
    {
        if (_lines.TryGetValue(path, out int first) && (isLeaf || _leaves.Contains(path)))
            throw new BadInputException($"{_file}: {path} (line {line})", $"a second value (the first is on line {first})", "each key once");
        _lines.TryAdd(path, line);
        // A dotted key also opens the sections on its way.
        for (int dot = path.LastIndexOf('.'); dot > 0; dot = path.LastIndexOf('.', dot - 1))
        {
            if (_leaves.Contains(path[..dot]))
            {
                string found = $"a key inside \"{path[..dot]}\", which has a plain value on line {_lines[path[..dot]]}";
                throw new BadInputException($"{_file}: {path} (line {line})", found, "one or the other");
            }
            _lines.TryAdd(path[..dot], line);
        }
    }
}
