using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using ElasticTrain.Collectives;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Devices;

/// <summary>
/// Faults injected on purpose, so that the tests' comparison can be seen to fail. Only where the plan says <c>elastic.allow-chaos</c>;
/// read from the environment of one process: <c>ELASTICTRAIN_FLIP_GRADIENT_BIT=STEP:RANK:ELEMENT[:NODE]</c> (STEP and RANK may be *),
/// <c>ELASTICTRAIN_FLIP_MOMENT_BIT=STEP:SHARD:NODE</c> (or @FILE, a file that says so), <c>ELASTICTRAIN_PROTOCOL_VERSION=NUMBER</c>,
/// <c>ELASTICTRAIN_NUMERICS_CLASS=NAME</c>, <c>ELASTICTRAIN_SLOW_NODE=NODE:FACTOR</c>, <c>ELASTICTRAIN_DATA_LINKS=HOST:PORT</c>.
/// </summary>
/// <param name="FlipStep">The step; 0 for none, -1 for every step.</param>
/// <param name="FlipRank">The rank; null for every rank.</param>
/// <param name="FlipElement">The element of the flat gradient whose highest mantissa bit is flipped: the sum over ranks may round a lower one away.</param>
/// <param name="ProtocolVersion">The protocol version that the node claims to speak; null for its own.</param>
/// <param name="NumericsClass">What the node claims its golden probe to be the hash of; null for the probe itself.</param>
public sealed record ChaosSettings(long FlipStep, int? FlipRank, long FlipElement, int? ProtocolVersion, string? NumericsClass)
{
    /// <summary>The variable that asks for a flipped bit.</summary>
    public const string FlipVariable = "ELASTICTRAIN_FLIP_GRADIENT_BIT";

    /// <summary>The variable that asks for a flipped bit in a replica's moments.</summary>
    public const string MomentVariable = "ELASTICTRAIN_FLIP_MOMENT_BIT";

    /// <summary>The bit to flip in a replica's moments; null for none.</summary>
    public MomentFlip? Moments { get; init; }

    /// <summary>The variable that makes a node claim another protocol version.</summary>
    public const string ProtocolVariable = "ELASTICTRAIN_PROTOCOL_VERSION";

    /// <summary>The variable that makes a node claim another numerics class.</summary>
    public const string NumericsVariable = "ELASTICTRAIN_NUMERICS_CLASS";

    /// <summary>The variable that makes one node's devices slow.</summary>
    public const string SlowVariable = "ELASTICTRAIN_SLOW_NODE";

    /// <summary>How many times as long a rank takes as it needs; 1 for no straggler.</summary>
    public double SlowDown { get; init; } = 1;

    /// <summary>The variable that makes a node's connections to other tensor servers go through whoever listens there, who can cut them.</summary>
    public const string LinksVariable = "ELASTICTRAIN_DATA_LINKS";

    /// <summary>What this node's connections to other tensor servers go through; null if they are direct.</summary>
    public IPEndPoint? DataLinks { get; init; }

    /// <summary>No faults.</summary>
    public static readonly ChaosSettings None = new(0, 0, 0, null, null);

    /// <summary>Reads the environment.</summary>
    /// <param name="allowed">The plan's <c>elastic.allow-chaos</c>.</param>
    /// <exception cref="BadInputException">A fault is asked for and not allowed, or not readable.</exception>
    /// <param name="node">The node's name: some faults are one node's.</param>
    public static ChaosSettings FromEnvironment(bool allowed, string node)
    {
        var settings = None with { NumericsClass = Read(NumericsVariable, allowed), SlowDown = ReadSlowDown(allowed, node) };
        if (Read(ProtocolVariable, allowed) is { } version)
        {
            if (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out int claimed))
                throw new BadInputException($"environment variable {ProtocolVariable}", $"'{version}'", "a whole number");
            settings = settings with { ProtocolVersion = claimed };
        }
        if (Read(LinksVariable, allowed) is { } links)
        {
            if (!IPEndPoint.TryParse(links, out var endpoint) || endpoint.Port == 0) throw new BadInputException($"environment variable {LinksVariable}", $"'{links}'", "an IP address and a port");
            settings = settings with { DataLinks = endpoint };
        }
        if (Read(MomentVariable, allowed) is { } moment)
            settings = settings with { Moments = MomentFlip.Parse(moment, node) ?? throw new BadInputException($"environment variable {MomentVariable}", $"'{moment}'", "STEP:SHARD:NODE, two whole numbers and a node's name, or @FILE") };
        if (Read(FlipVariable, allowed) is not { } text) return settings;
        string[] parts = text.Split(':');
        int rank = 0;
        long step = -1;
        if (parts.Length is 3 or 4 && (parts[0] == "*" || long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out step))
            && (parts[1] == "*" || int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out rank))
            && long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out long element))
            return parts.Length == 4 && parts[3] != node ? settings : settings with { FlipStep = step, FlipRank = parts[1] == "*" ? null : rank, FlipElement = element };
        throw new BadInputException($"environment variable {FlipVariable}", $"'{text}'", "STEP:RANK:ELEMENT, three whole numbers (the first two may be *), or STEP:RANK:ELEMENT:NODE");
    }

    private static double ReadSlowDown(bool allowed, string node)
    {
        if (Read(SlowVariable, allowed) is not { } text) return 1;
        string[] parts = text.Split(':');
        if (parts.Length == 2 && double.TryParse(parts[1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double factor) && factor >= 1)
            return parts[0] == node ? factor : 1;
        throw new BadInputException($"environment variable {SlowVariable}", $"'{text}'", "NODE:FACTOR, a node's name and a number of at least 1");
    }

    private static string? Read(string variable, bool allowed)
    {
        string? text = Environment.GetEnvironmentVariable(variable);
        if (string.IsNullOrEmpty(text)) return null;
        return allowed ? text : throw new BadInputException($"environment variable {variable}", $"'{text}'", "nothing, unless the plan says elastic.allow-chaos = true");
    }

    /// <summary>Makes a rank take as long as a straggler needs for it.</summary>
    /// <param name="took">How long it took.</param>
    public void MaybeDelay(TimeSpan took)
    {
        if (SlowDown > 1) Thread.Sleep(took * (SlowDown - 1));
    }

    /// <summary>
    /// How this node connects to other tensor servers. Through links, it first says a line: its name, where its own server listens, and whom it wants.
    /// </summary>
    /// <param name="node">The node's name.</param>
    /// <param name="own">Endpoint of its tensor server.</param>
    /// <returns>Null: directly.</returns>
    public DataPlaneOptions? LinksOf(string node, IPEndPoint own) => DataLinks is not { } links ? null : new DataPlaneOptions
    {
        Connect = async (socket, peer, ct) =>
        {
            await socket.ConnectAsync(links, ct).ConfigureAwait(false);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"{node} {own} {peer}\n"), ct).ConfigureAwait(false);
        },
    };

    /// <summary>Flips the bit if this is the rank for it.</summary>
    public void MaybeFlip(Step step, int rank, NativeBuffer gradient)
    {
        if (FlipStep == 0 || (FlipStep > 0 && step.Value != FlipStep) || (FlipRank is { } one && rank != one)) return;
        ref float value = ref gradient.Slice(FlipElement, 1)[0];
        value = BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) ^ (1u << 22));
    }
}
