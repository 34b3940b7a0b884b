namespace ElasticTrain.Core.Tests;

public class Bfloat16Tests
{
    [Theory]
    [InlineData(0x3F800000u, 0x3F80)] // 1
    [InlineData(0x3F808000u, 0x3F80)] // half way between an even number and the next: down
    [InlineData(0x3F818000u, 0x3F82)] // half way from an odd number: up
    [InlineData(0x3F808001u, 0x3F81)]
    [InlineData(0x3F807FFFu, 0x3F80)]
    [InlineData(0xBF818000u, 0xBF82)]
    [InlineData(0x80000000u, 0x8000)] // -0
    [InlineData(0x00008000u, 0x0000)] // half of the smallest
    [InlineData(0x00008001u, 0x0001)]
    [InlineData(0x3FFFFFFFu, 0x4000)] // carries into the exponent
    [InlineData(0x7F7F7FFFu, 0x7F7F)] // the largest
    [InlineData(0x7F7F8000u, 0x7F80)] // beyond it
    [InlineData(0xFF7FFFFFu, 0xFF80)]
    [InlineData(0x7F800000u, 0x7F80)]
    [InlineData(0xFF800000u, 0xFF80)]
    public void A_value_becomes_the_nearest_number_and_the_even_one_of_two(uint bits, int expected)
    {
        float value = BitConverter.UInt32BitsToSingle(bits);
        Assert.Equal((ushort)expected, Bfloat16.Round(value));
        ushort[] several = new ushort[3];
        Bfloat16.Round([0, value, 0], several);
        Assert.Equal((ushort)expected, several[1]);
    }

    [Theory]
    [InlineData(0x7FC00000u)]
    [InlineData(0xFFFFFFFFu)]
    [InlineData(0x7F800001u)] // its payload is in the lower half alone
    [InlineData(0xFF80FFFFu)]
    public void What_is_no_number_stays_none(uint bits) => Assert.True(float.IsNaN(Bfloat16.Widen(Bfloat16.Round(BitConverter.UInt32BitsToSingle(bits)))));

    [Fact]
    public void Every_number_comes_back_from_fp32()
    {
        ushort[] all = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        float[] wide = new float[all.Length + 7];
        Bfloat16.Widen(all.AsSpan(0, all.Length - 5), wide); // also what is left over behind whole registers
        for (int i = 0; i < all.Length - 5; i++)
        {
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(wide[i]));
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(Bfloat16.Widen(all[i])));
            if (!float.IsNaN(wide[i])) Assert.Equal(all[i], Bfloat16.Round(wide[i]));
        }
    }
}
