using System.Runtime.InteropServices;
using ElasticTrain.Core;
using ElasticTrain.Lighthouse;

if (args.Contains("--help") || args.Contains("-h"))
{
    Console.WriteLine(LighthouseOptions.Help);
    return 0;
}

LighthouseOptions options;
try
{
    var environment = new Dictionary<string, string>(StringComparer.Ordinal);
    foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
        environment[(string)entry.Key] = (string?)entry.Value ?? "";
    options = LighthouseOptions.Parse(args, environment);
}
catch (BadInputException e)
{
    Console.Error.WriteLine($"lighthouse: {e.Message}");
    return 2;
}

var node = new SeedNode(options, Console.Out);
using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
{
    context.Cancel = true;
    node.Leave();
});
// Ctrl-C in a terminal reaches the whole process group. Under a launcher it is the launcher who says when the seed node leaves: last.
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
{
    context.Cancel = true;
    if (options.Parent is null) node.Leave();
});
using ParentWatch? parent = options.Parent is { } watched ? ParentWatch.Start(watched, node.Leave) : null;
return await node.RunAsync();
