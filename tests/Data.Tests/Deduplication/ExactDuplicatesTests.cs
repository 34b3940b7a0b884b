using System.Text;
using ElasticTrain.Data.Deduplication;
using FsCheck.Xunit;

namespace ElasticTrain.Data.Tests.Deduplication;

public sealed class ExactDuplicatesTests
{
    [Theory]
    [InlineData("a b\tc", "  A\u00a0b\r\n\r\nC  ", true)]
    [InlineData("É", "é", true)]
    [InlineData("", " \n ", true)]
    [InlineData("a+b", "a-b", false)]
    [InlineData("ab", "a b", false)]
    public void Case_and_white_space_do_not_count_and_all_else_does(string left, string right, bool equal) =>
        Assert.Equal(equal, NormalText.Digest(Encoding.UTF8.GetBytes(left)) == NormalText.Digest(Encoding.UTF8.GetBytes(right)));

    [Property]
    public bool The_normal_form_is_that_of_the_definition(string text, int blanks)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(text + new string(' ', Math.Abs(blanks % 5)), 1 + Math.Abs(blanks % 3000))));
        string clean = string.Join(' ', Encoding.UTF8.GetString(bytes).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToLowerInvariant();
        return NormalText.Digest(bytes) == Core.Digest256.Of(clean);
    }

    [Fact]
    public void The_smallest_key_stays_in_any_order_of_arrival()
    {
        (string Key, string Text)[] documents = [("b", "x y"), ("a", "X  Y"), ("d", "z"), ("c", "x y "), ("B", "z"), ("e", "other")];
        foreach (var order in new[] { documents, [.. documents.Reverse()], [.. documents.OrderBy(document => document.Text)] })
        {
            var index = new ExactDuplicates();
            Parallel.ForEach(order, document => index.Add(document.Key, NormalText.Digest(Encoding.UTF8.GetBytes(document.Text))));
            Assert.Equal(["B < d", "a < b c"], index.Find().Select(group => $"{group.Kept} < {string.Join(' ', group.Removed.Select(removed => removed.Key))}"));
        }
        var twice = new ExactDuplicates();
        twice.Add("a", default);
        Assert.Throws<ArgumentException>(() => twice.Add("a", default));
    }
}
