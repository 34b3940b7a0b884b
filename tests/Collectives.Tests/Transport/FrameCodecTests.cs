using ElasticTrain.Core;

namespace ElasticTrain.Collectives.Tests.Transport;

public sealed class FrameCodecTests
{
    private static readonly FrameHeader Header = new(
        FrameKind.Contribution, 77, new RunId(Guid.Parse("00112233-4455-6677-8899-aabbccddeeff")), new Lineage(new Step(5), Digest256.Of("x")),
        new ShardId(3), new ReplicaId(9), new RankRange(4, 8), ElementType.Float32, 0, default, Attempt: new Attempt(0x01020304050607));

    [Fact]
    public void A_header_comes_back_as_it_was_sent()
    {
        byte[] frame = FrameCodec.Encode(Header, [1, 2, 3, 4]);
        var found = FrameCodec.Read(frame, "test");
        Assert.Equal(Header with { PayloadLength = 4, PayloadDigest = found.PayloadDigest }, found);
        Assert.Equal(132, frame.Length);
    }

    [Fact]
    public void The_documented_layout_holds()
    {
        byte[] frame = FrameCodec.Encode(Header, [1, 2, 3, 4]);
        Assert.Equal("4554445002000201", Convert.ToHexString(frame[..8]));
        Assert.Equal("4D00000000000000" + "00112233445566778899AABBCCDDEEFF" + "0500000000000000", Convert.ToHexString(frame[8..40]));
        Assert.Equal(Header.Lineage.Digest.ToString(), Convert.ToHexStringLower(frame[40..72]));
        Assert.Equal("00" + "07060504030201", Convert.ToHexString(frame[112..120]));
        Assert.Equal("03000000" + "09000000" + "04000000" + "08000000" + "0400000000000000", Convert.ToHexString(frame[72..96]));
    }

    [Fact]
    public void Any_flipped_bit_of_a_header_is_noticed()
    {
        byte[] frame = FrameCodec.Encode(Header, []);
        for (int bit = 0; bit < 8 * FrameCodec.HeaderLength; bit++)
        {
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.ThrowsAny<ElasticTrainException>(() => FrameCodec.Read(frame, "test"));
            frame[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        FrameCodec.Read(frame, "test");
    }

    [Fact]
    public void Another_version_is_refused_with_both_named()
    {
        byte[] frame = FrameCodec.Encode(Header, []);
        frame[4] = 9;
        string message = Assert.Throws<DataPlaneRefusedException>(() => FrameCodec.Read(frame, "the peer")).Message;
        Assert.Contains("version 9", message);
        Assert.Contains("version 2", message);
    }
}
