using System.Security.Cryptography;
using System.Text;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class UnicodeNormalizerTests
{
    private static readonly int[] Bases =
    [
        0x41, 0x61, 0x65, 0x6f, 0x1100, 0x1161, 0x11a8, 0xac00, 0x915, 0x9c7, 0x1025, 0x3b1, 0x438, 0x5d0, 0x627, 0x1f00, 0x2126, 0xfb01, 0x212b, 0x1e69, 0x11099, 0x1d15e,
    ];

    private static readonly int[] Marks =
    [
        0x300, 0x301, 0x302, 0x303, 0x304, 0x306, 0x307, 0x308, 0x323, 0x327, 0x328, 0x345, 0x3099, 0x9be, 0x9d7, 0x102e, 0x5b0, 0x5bc, 0x64b, 0x651, 0x110ba, 0x93c, 0x1161, 0x11a8,
    ];

    // Digests made with unicodedata.normalize of Python 3.11, which has Unicode 14.0 too.
    [Theory]
    [InlineData(false, "9cc65524a9d8082bf10840c616cd199bd2ac12ee49a3381bd6fb7957711f342b")]
    [InlineData(true, "06e7277bca1b5f061a23d4e0caee648a132aee7e3fe7ae21a6f460298c980a11")]
    public void Every_code_point_is_normalized_as_in_Python(bool compatibility, string digest) =>
        Assert.Equal(digest, Digest(Enumerable.Range(0, 0x110000).Where(point => point is < 0xD800 or > 0xDFFF).Select(char.ConvertFromUtf32), compatibility));

    [Theory]
    [InlineData(false, "65477b0136ae3bcc8a00f0df7dff976684e218646824439482ed98215746e77a")]
    [InlineData(true, "e4744e3bb1e37d934dc76b08e7ad32c3c6d99752fcd78765ba86557c3987994d")]
    public void Sequences_of_bases_and_marks_are_normalized_as_in_Python(bool compatibility, string digest) =>
        Assert.Equal(digest, Digest(Sequences(), compatibility));

    [Fact]
    public void Normalized_text_is_the_same_instance()
    {
        string text = "Grüße, Καλημέρα, 日本語, हिन्दी 🙂";
        Assert.Same(text, UnicodeNormalizer.Normalize(text, false, out int changed));
        Assert.Equal(0, changed);
    }

    [Fact]
    public void Only_what_changes_is_counted()
    {
        Assert.Equal("é x ñ é", UnicodeNormalizer.Normalize("e\u0301 x n\u0303 é", false, out int changed));
        Assert.Equal(2, changed);
    }

    private static IEnumerable<string> Sequences()
    {
        ulong state = 42;
        for (int i = 0; i < 5000; i++)
        {
            var text = new StringBuilder();
            for (int j = 0; j < 12; j++)
            {
                state = state * 6364136223846793005 + 1442695040888963407;
                int random = (int)(state >> 33);
                text.Append(char.ConvertFromUtf32(random % 4 == 0 ? Bases[random / 4 % Bases.Length] : Marks[random / 4 % Marks.Length]));
            }
            yield return text.ToString();
        }
    }

    private static string Digest(IEnumerable<string> texts, bool compatibility)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string text in texts) hash.AppendData(Encoding.UTF8.GetBytes(UnicodeNormalizer.Normalize(text, compatibility, out _) + "\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
