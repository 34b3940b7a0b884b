using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Plans;

/// <summary>Plans for tests.</summary>
internal static class Given
{
    internal const string Smallest = """
        model { preset = tiny }
        batch { train-batch-size = 8, micro-batch-size = 2, sequence-length = 32 }
        phases = [ { steps = 60 } ]
        optimizer { learning-rate = 3e-3 }

        """;

    internal static Plan Plan(string more = "", params string[] sets) => Parse(Smallest + more, sets);

    internal static Plan Parse(string text, params string[] sets) => Actors.Plans.Plan.Parse(text, "my.conf", Sets(sets));

    internal static KeyValuePair<string, string>[] Sets(params string[] sets) =>
        [.. sets.Select(set => set.Split('=', 2)).Select(parts => KeyValuePair.Create(parts[0], parts[1]))];

    internal static BadInputException Refused(Func<Plan> plan) => Assert.Throws<BadInputException>(() => { plan(); });

    /// <summary>The folder of the repository that the tests were built from, found from where they run.</summary>
    internal static string Repository()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "ElasticTrain.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("No ElasticTrain.sln above the test's folder.");
    }
}
