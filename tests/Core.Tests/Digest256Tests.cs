using ElasticTrain.Core;

namespace ElasticTrain.Core.Tests;

public sealed class Digest256Tests
{
    [Fact]
    public void Of_text_is_sha_256_and_survives_printing()
    {
        var digest = Digest256.Of("abc");
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", digest.ToString());
        Assert.Equal(digest, Digest256.Parse(digest.ToString()));
    }

    [Fact]
    public void Neighbouring_texts_do_not_run_together()
    {
        using var builder = new DigestBuilder();
        var one = builder.Add("ab").Add("c").Finish();
        Assert.NotEqual(one, builder.Add("a").Add("bc").Finish());
    }
}
