using System.Text;
using ElasticTrain.Core;

namespace ElasticTrain.Data.Tests;

public sealed class DocumentationTests
{
    private const string Sample = """
        <?xml version="1.0"?>
        <doc><assembly><name>A</name></assembly><members>
          <member name="T:N.Box`2"><summary>Holds a <typeparamref name="TKey"/>
             and a
             <see cref="T:System.String" />.</summary><typeparam name="TKey">The key.</typeparam><typeparam name="TValue">The value.</typeparam></member>
          <member name="M:N.Box`2.#ctor(System.Int32)"><summary>Makes one.</summary><param name="size">How big.</param></member>
          <member name="M:N.Box`2.TryGet``1(`0,``0@,System.Collections.Generic.List{System.Collections.Generic.KeyValuePair{`0,System.Nullable{System.Int32}}}[])">
            <summary>Gets.</summary><typeparam name="TOther">Another.</typeparam>
            <param name="key">The key.</param><param name="other">Out.</param><param name="list">A list.</param>
            <returns><see langword="true" /> if there; see <see cref="M:N.Box`2.Get(`0)" /> or <see cref="P:N.Box`2.Count">the count</see>.</returns>
            <exception cref="T:System.ArgumentNullException"><paramref name="key" /> is <see langword="null" />.</exception>
            <remarks><para>One.</para><para>Two, <c>inline</c>.</para><code>
                if (a)
                    b &lt; c;
            </code><list type="bullet"><item><term>X</term><description>is y</description></item></list></remarks>
          </member>
          <member name="P:N.Box`2.Count"><value>How many.</value></member>
          <member name="M:N.Box`2.System#Collections#IList#Add(System.Object)"><summary>Adds.</summary></member>
          <member name="M:N.Box`2.Silent"></member><member name="F:N.Box`2.Zero"><summary>Zero.</summary></member><member name="E:N.Box`2.Changed"><summary>Tells.</summary></member>
          <member name="T:N.Box`2.Inner"><summary>Inside.</summary></member>
          <member name="T:N.Box"><summary>Static helpers.</summary></member>
        </members></doc>
        """;

    [Fact]
    public void A_type_reads_like_reference_documentation()
    {
        var documents = Render(Sample);
        string expected = """
            Type N.Box<TKey, TValue>
            Holds a TKey and a string.
            TKey: The key.
            TValue: The value.

            Constructor Box<TKey, TValue>(int size)
            Makes one.
            size: How big.

            Method TryGet<TOther>(TKey key, ref TOther other, List<KeyValuePair<TKey, int?>>[] list)
            Gets.
            TOther: Another.
            key: The key.
            other: Out.
            list: A list.
            Returns: true if there; see Box<TKey, TValue>.Get(TKey) or the count.
            Throws ArgumentNullException: key is null.
            Remarks: One.
            Two, inline.
            if (a)
                b < c;
            X: is y

            Property Count
            Value: How many.

            Method IList.Add(object)
            Adds.

            Field Zero
            Zero.

            Event Changed
            Tells.

            """;
        Assert.Equal(expected, Encoding.UTF8.GetString(documents[0].Text));
        Assert.Equal("Type N.Box<TKey, TValue>.Inner\nInside.\n", Encoding.UTF8.GetString(documents[1].Text));
        Assert.Equal(3, documents.Count);
    }

    [Fact]
    public void Nested_types_and_generic_variants_stay_on_one_side()
    {
        Assert.Equal(["type:N.Box"], Render(Sample).Select(document => document.SplitKey).Distinct());
    }

    [Fact]
    public void A_member_documented_twice_is_taken_once_from_the_first_file()
    {
        const string First = """<doc><members><member name="T:N.A"><summary>First.</summary></member></members></doc>""";
        const string Second = """<doc><members><member name="T:N.A"><summary>Second.</summary></member><member name="M:N.A.Run"><summary>Runs.</summary></member></members></doc>""";
        Assert.Equal("Type N.A\nFirst.\n\nMethod Run()\nRuns.\n", Encoding.UTF8.GetString(Assert.Single(Render(First, Second)).Text));
    }

    [Theory]
    [InlineData("T:System.Int32", "int")]
    [InlineData("T:System.Collections.Generic.Dictionary`2", "Dictionary<T1, T2>")]
    [InlineData("M:System.String.Format(System.String,System.Object[])", "string.Format(string, object[])")]
    [InlineData("M:System.Uri.#ctor(System.String)", "Uri(string)")]
    [InlineData("M:A.B.C``1(``0)", "B.C<T>(T1)")]
    [InlineData("F:System.DayOfWeek.Monday", "DayOfWeek.Monday")]
    [InlineData("N:System.Text", "System.Text")]
    [InlineData("Overload:System.Math.Abs", "System.Math.Abs")]
    [InlineData("M:A.B.op_Explicit(A.B)~System.Int32", "B.op_Explicit(B)")]
    [InlineData("M:A.B.M(System.Int32[0:,0:],System.Byte*,System.Span{System.Char}@)", "B.M(int[,], byte*, ref Span<char>)")]
    [InlineData("M:A.B.M(C.D{System.Int32}.E{System.String})", "B.M(D<int>.E<string>)")]
    [InlineData("", "")]
    [InlineData("M:", "")]
    [InlineData("M:A.B.M(A{,", "B.M(A<>)")]
    [InlineData("junk", "junk")]
    public void References_read_as_in_source(string id, string expected) => Assert.Equal(expected, DocumentationId.Display(id, GenericNames.None));

    [Fact]
    public void Broken_xml_names_file_and_line()
    {
        var error = Assert.Throws<BadInputException>(() => Render("<doc><members>\n<member name=\"T:A\"></doc>"));
        Assert.Equal("file0.xml, line 2", error.Where);
    }

    [Fact]
    public void Only_documentation_is_taken_for_documentation()
    {
        Assert.True(XmlDocumentation.Is(Encoding.UTF8.GetBytes(Sample)));
        Assert.False(XmlDocumentation.Is("<project><members/></project>"u8.ToArray()));
        Assert.False(XmlDocumentation.Is("<doc><title/><members/></doc>"u8.ToArray()));
        Assert.False(XmlDocumentation.Is("no xml"u8.ToArray()));
    }

    private static List<Document> Render(params string[] files) =>
        [.. XmlDocumentation.Documents([.. files.Select((text, i) => ($"file{i}.xml", Encoding.UTF8.GetBytes(text)))])];
}
