using System.Net;
using System.Text;
using ElasticTrain.Actors.Nodes;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Actors.Tests.Nodes;

/// <summary>A run over a small made-up text in a folder of its own. Shared by the tests of a class; each makes its own nodes.</summary>
public sealed class TestRun : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("elastictrain-actors-").FullName;
    private readonly PreparedCorpus _corpus;
    private int _runs;

    public TestRun()
    {
        string input = Path.Combine(_folder, "input.txt");
        var text = new StringBuilder();
        for (int i = 0; i < 2500; i++) text.Append(Lines[(int)(CounterRandom.Bits(1, (ulong)i) % (ulong)Lines.Length)]).Append(i % 7 == 0 ? "\n\n" : "\n");
        File.WriteAllText(input, text.ToString());
        _corpus = Corpus.PrepareOrOpen(Path.Combine(_folder, "data"), new CorpusOptions(input));
    }

    private static readonly string[] Lines =
    [
        "A node that is only slow costs a little compute and never correctness.", "The sum over ranks is a fixed binary tree.",
        "Unsealed means non-existent.", "Whoever lost a piece recomputes it and gets the same bits.", "No scalar sums whose order depends on threads.",
    ];

    /// <summary>A run of its own: its own id, journal mark and checkpoints.</summary>
    internal RunDefinition Define(string more = "", params string[] sets)
    {
        var plan = Tests.Plans.Given.Plan(more, sets);
        var folder = RunFolder.OpenOrCreate(Path.Combine(_folder, $"run-{Interlocked.Increment(ref _runs)}"), plan);
        return new RunDefinition(folder, plan, _corpus);
    }

    internal NodeRuntime Node(RunDefinition definition, NodeId? id = null) =>
        new(id ?? Tests.Runs.Sample.Node(1), definition, Digest256.Of("class"), IPAddress.Loopback);

    public void Dispose()
    {
        _corpus.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
