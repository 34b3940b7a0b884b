using System.Diagnostics;
using ElasticTrain.Data.Cleaning;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Cleaning;

public sealed class ScrubberTests
{
    private const string Email = "email@example.com", V4 = "22.214.171.124", V6 = "2001:db8::1", Phone = "555-0100";

    [Theory]
    [InlineData("Write to jane.doe+x@mail.acme.co.uk.", "Write to " + Email + ".")]
    [InlineData("<a@b.de>, 'c@d.org'; mailto:e_f@g-h.io?x", "<" + Email + ">, '" + Email + "'; mailto:" + Email + "?x")]
    [InlineData("at 8.8.8.8, http://1.1.1.1:80/ and (9.9.9.9).", "at " + V4 + ", http://" + V4 + ":80/ and (" + V4 + ").")]
    [InlineData("IPv6 2606:4700:4700::1111, [2a00:1450:4001:81b::200e]:443", "IPv6 " + V6 + ", [" + V6 + "]:443")]
    [InlineData("full 2a02:0908:1234:5678:9abc:def0:1234:5678 end", "full " + V6 + " end")]
    [InlineData("+49 30 901820, +1-202-456-1111, +4915112345678", Phone + ", " + Phone + ", " + Phone)]
    [InlineData("(202) 456-1111 or 202-456-1111 or 202.456.1111 or 1-800-234-5678", Phone + " or " + Phone + " or " + Phone + " or " + Phone)]
    [InlineData("Tel.: 030 901820, fax 089/1234567; 电话：x 电话 010 12345678", "Tel.: " + Phone + ", fax " + Phone + "; 电话：x 电话 " + Phone)]
    [InlineData("+44 (0)20 7946 0958.", Phone + ".")]
    public void Personal_data_is_replaced(string text, string expected) => Assert.Equal(expected, Scrubber.Scrub(text, new ScrubbingOptions()).Text);

    [Theory]
    [InlineData("version 1.2.3.4, v1.2.3.4, Version=1.2.3.4, Chrome/91.0.4472.124, Foo/5.6.7.8, >= 5.6.7.8, 1.2.3.4-beta, 10.0.19041.1")]
    [InlineData("1.2.3.4 Heading\n\n4.1.2.1. Another\n")]
    [InlineData("OID 1.3.6.1.4.1.311, 01.02.03.04, 256.1.1.1, 1.2.3")]
    [InlineData("127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.1.1 192.0.2.1 198.51.100.7 203.0.113.9 0.0.0.0 255.255.255.255 100.64.0.1")]
    [InlineData("fe80::1 ::1 fd00::1 2001:db8::7 std::vector<a::b> 12:34:56 00:1a:2b:3c:4d:5e dead::beef a::b x::2001:1 2001::db8::1")]
    [InlineData("2024-01-15, 15.01.2024, 01/15/2024, 2024-01-15T12:34:56+02:00, 20240115")]
    [InlineData("ISBN 978-3-16-148410-0, 0-306-40615-2, ISSN 0317-8471, 9783161484100")]
    [InlineData("123-45-6789, 4111 1111 1111 1111, 123-456-7890, order 202-456-11112, a202-456-1111, 202-456-1111-3")]
    [InlineData("x = a + 12345678; y +12345678 @@ -1,7 +1,7 @@ 0x12345678 3.14159265 1e+10 100 200 300 400")]
    [InlineData("npm i left-pad@1.3.0 @Component foo@ @bar a@b user@host git@github.com:a/b.git john@example.com x@mail.example.org y@z.test")]
    [InlineData("555-0100, (202) 555-0142, +1 202-555-0199")]
    [InlineData("phones 7, mobile 2024, table 1234567")]
    public void What_only_looks_like_it_is_left_alone(string text) => Assert.Same(text, Scrubber.Scrub(text, new ScrubbingOptions()).Text);

    [Fact]
    public void Private_ones_go_too_where_that_is_asked_for()
    {
        var options = new ScrubbingOptions { PublicOnly = false };
        Assert.Equal($"at {V4} {V6} {Email} {Phone}", Scrubber.Scrub("at 10.1.2.3 fe80::1:2 john@example.com (202) 555-0142", options).Text);
    }

    [Fact]
    public void Replacements_are_counted_and_each_kind_can_be_left()
    {
        const string Text = "a@b.de 8.8.8.8 2606:4700::1111 +49 30 901820 c@d.de";
        Assert.Equal(new ScrubbedText($"{Email} {V4} {V6} {Phone} {Email}", 2, 1, 2), Scrubber.Scrub(Text, new ScrubbingOptions()));
        Assert.Same(Text, Scrubber.Scrub(Text, ScrubbingOptions.Nothing).Text);
        Assert.Equal("a@b.de 8.8.8.8 2606:4700::1111 555-0100 c@d.de", Scrubber.Scrub(Text, new ScrubbingOptions { Emails = false, Addresses = false }).Text);
    }

    [Property(MaxTest = 300)]
    public void Scrubbed_text_stays_as_it_is(int seed)
    {
        string[] pieces = ["a@b.de", "8.8.8.8", "2606:4700::1111", "+49 30 901820", "(202) 456-1111", "1", "23", ".", ":", "-", " ", "@", "+", "x", "tel ", "\n", "(", ")", "::", "git", "555-01"];
        var random = new Random(seed);
        string text = string.Concat(Enumerable.Range(0, 30).Select(_ => pieces[random.Next(pieces.Length)]));
        string once = Scrubber.Scrub(text, new ScrubbingOptions()).Text;
        Assert.Equal(once, Scrubber.Scrub(once, new ScrubbingOptions()).Text);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("a.")]
    [InlineData("@")]
    [InlineData("a@")]
    [InlineData("1")]
    [InlineData("1.")]
    [InlineData("1 ")]
    [InlineData("1-(")]
    [InlineData("+1")]
    [InlineData(":")]
    [InlineData("a:")]
    [InlineData("1:2")]
    [InlineData("((")]
    public void Time_grows_with_the_length_alone(string piece)
    {
        string text = string.Concat(Enumerable.Repeat(piece, 2_000_000 / piece.Length));
        var watch = Stopwatch.StartNew();
        Scrubber.Scrub(text, new ScrubbingOptions());
        // A quadratic scan would take hours.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
    }
}
