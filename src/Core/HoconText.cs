using System.Globalization;
using System.Text;

namespace ElasticTrain.Core;

/// <summary>Writing HOCON.</summary>
public static class HoconText
{
    /// <summary>A value in double quotes, with HOCON's escapes.</summary>
    public static string Quote(string value)
    {
        var text = new StringBuilder("\"");
        foreach (char c in value)
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => text.Append(c),
            };
        return text.Append('"').ToString();
    }
}
