namespace ElasticTrain.Scale;

/// <summary>Chance by a seed (splitmix64).</summary>
internal sealed class Chance(ulong seed)
{
    private ulong _state = seed;

    public double Unit()
    {
        ulong z = _state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
    }

    public int Next(int count) => (int)(Unit() * count);

    /// <summary>exp of a normal number with mean 0 and a standard deviation: 1 in the median.</summary>
    public double LogNormal(double sigma) => Math.Exp(sigma * Math.Sqrt(-2 * Math.Log(1 - Unit())) * Math.Cos(2 * Math.PI * Unit()));
}
