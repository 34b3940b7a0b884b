using ElasticTrain.MultiNode.Tests.Kit;

// dotnet test loads this assembly as a library. As a program it is one node of a spec, or plays one spec by itself.
switch (args)
{
    case ["node", var start]:
        return NodeProgram.Run(NodeStart.Parse(start));
    case ["play", var spec, .. var arguments]:
        try
        {
            await SpecPlayer.PlayAsync(spec, arguments.ToDictionary(a => a.Split('=')[0], a => a[(a.IndexOf('=', StringComparison.Ordinal) + 1)..]));
            return 0;
        }
        catch (MultiNodeFailure failure)
        {
            await Console.Error.WriteLineAsync(failure.Message);
            return 1;
        }
    default:
        await Console.Error.WriteLineAsync("usage: play SPEC [NAME=VALUE ...], with the full name of a spec's class and its arguments (node is for the kit itself)");
        return 2;
}
