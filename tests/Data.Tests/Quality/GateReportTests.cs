using ElasticTrain.Core;
using ElasticTrain.Data.Quality;

namespace ElasticTrain.Data.Tests.Quality;

public sealed class GateReportTests
{
    [Fact]
    public void The_guides_limits_hold_unless_a_source_has_its_own()
    {
        var settings = new GateSettings
        {
            Sources = new Dictionary<string, GateLimits> { ["code"] = new() { MaxPerplexity = 1000, MinTopicConsistency = null } },
        };
        GateMeasurements[] measured = [new("web", 149.9, 0.049, 0.81), new("code", 900, 0.05, 0.1), new("books", 150, null, 0.8)];
        GateReport report = GateReport.Judge(settings, measured);
        Assert.Equal(
            [
                "web perplexity 150 Passed", "web duplication 0.05 Passed", "web topic-consistency 0.8 Passed",
                "code perplexity 1000 Passed", "code duplication 0.05 Failed",
                "books perplexity 150 Failed", "books duplication 0.05 NotMeasured", "books topic-consistency 0.8 Failed",
            ],
            report.Results.Select(result => FormattableString.Invariant($"{result.Source} {result.Gate} {result.Limit} {result.Outcome}")));
        Assert.False(report.Passed);
        Assert.True(GateReport.Judge(settings, [measured[0], new("empty", null, null, null)]).Passed);
        Assert.False(GateReport.Judge(settings, [new("odd", double.NaN, 0, 1)]).Passed);
    }

    [Fact]
    public void Limits_that_cannot_be_are_named()
    {
        Assert.Contains("\"wbe\"", Refusal(new GateSettings { Sources = new Dictionary<string, GateLimits> { ["wbe"] = new() } }));
        Assert.Contains("duplication of web", Refusal(new GateSettings { Sources = new Dictionary<string, GateLimits> { ["web"] = new() { MaxDuplication = 5 } } }));
        Assert.Contains("perplexity of all sources", Refusal(new GateSettings { Default = new GateLimits { MaxPerplexity = double.NaN } }));
        new GateSettings().Validate([]);

        static string Refusal(GateSettings settings) => Assert.Throws<BadInputException>(() => settings.Validate(["web"])).Message;
    }
}
