using System.Text;
using ElasticTrain.Data.Sources;
using static ElasticTrain.Data.Tests.SourceFolder;

namespace ElasticTrain.Data.Tests;

public sealed class HtmlSourceTests : IDisposable
{
    private readonly SourceFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_main_text_is_left_without_scripts_and_navigation_and_blocks_are_paragraphs()
    {
        var document = Document(Assert.Single(_folder.Read("a.html", """
            <!doctype html><html><head><title> A
            title </title><style>p { color: red }</style></head>
            <body><header><a href="/">Home</a></header><nav>Menu</nav>
            <h1>Head&shy;ing</h1><p>First <b>para</b>graph,<br>second   line.</p><script>alert("x")</script>
            <ul><li>one</li><li>two <i>three</i></li></ul>
            <table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>
            <pre>  code
              more</pre><p hidden>secret</p><p>&lt;end&gt;</p><footer>Imprint</footer></body></html>
            """)));
        Assert.Equal("Head\u00ADing\n\nFirst paragraph,\nsecond line.\n\none\ntwo three\n\na b\nc\n\n  code\n  more\n\n<end>", document.Text);
        Assert.Equal([new("title", "A title")], document.Metadata);
        Assert.Equal("a.html", document.Id);
    }

    [Fact]
    public void A_main_element_is_the_content_and_an_article_keeps_its_header()
    {
        Assert.Equal(["Title\n\nText"], Texts(_folder.Read("a.html", "<body><p>around</p><main><header><h1>Title</h1></header><p>Text</p></main><p>around</p></body>")));
        Assert.Equal(["Title\n\nText"], Texts(_folder.Read("b.htm", "<body>x<article><header>Title</header>Text</article>y</body>")));
        Assert.Equal(["x\n\none\n\ntwo"], Texts(_folder.Read("c.html", "<body>x<article>one</article><article>two</article></body>")));
    }

    [Fact]
    public void Pages_nested_deeper_than_browsers_go_are_refused_before_they_take_hours()
    {
        string[] bombs = ["<div>", "<div></b>", "<svg><td>", "<b><p>", "<div><font color=1></div>", "<table><tr><td>", "<x-y>", "<ul><li>"];
        foreach (string bomb in bombs)
            Assert.Contains("nested", Quarantined(Assert.Single(_folder.Read("a.html", string.Concat(Enumerable.Repeat(bomb, 200_000)) + "deep")), QuarantineKind.Malformed).Reason);
        Assert.Equal(["deep"], Texts(_folder.Read("b.html", string.Concat(Enumerable.Repeat("<div>", 500)) + "deep")));
        string sloppy = string.Concat(Enumerable.Repeat("<p>one<br><li><div><span>two</div><!-- <div><b> --><img>", 2000));
        Assert.StartsWith("one\n", Document(Assert.Single(_folder.Read("c.html", sloppy))).Text);
    }

    [Fact]
    public void The_encoding_that_a_page_names_is_used_where_it_is_no_Utf8()
    {
        var document = Document(Assert.Single(_folder.Read("a.html", Encoding.Latin1.GetBytes("<meta charset=\"iso-8859-1\"><p>Grüße</p>"))));
        Assert.Equal(("Grüße", "windows-1252"), (document.Text, document.Metadata["source.encoding"]));
        Assert.Equal(["Grüße"], Texts(_folder.Read("b.html", "<meta charset=\"iso-8859-1\"><p>Grüße</p>")));
        Quarantined(Assert.Single(_folder.Read("c.html", Encoding.Latin1.GetBytes("<meta charset=nonsense><p>Grüße</p>"))), QuarantineKind.Encoding);
    }

    [Fact]
    public void Pages_without_text_and_pages_too_long_are_kept_out()
    {
        Quarantined(Assert.Single(_folder.Read("a.html", "<script>x</script>")), QuarantineKind.NoText);
        Quarantined(Assert.Single(_folder.Read("b.html", "")), QuarantineKind.NoText);
        Quarantined(Assert.Single(_folder.Read("c.html", new string('x', 101), new SourceOptions { MaxHtmlBytes = 100 })), QuarantineKind.TooLong);
    }
}
