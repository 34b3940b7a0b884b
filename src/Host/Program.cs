using System.CommandLine;
using System.CommandLine.Parsing;
using System.Data.Common;
using ElasticTrain.Core;
using ElasticTrain.Host.Commands;

var root = new RootCommand(
    "ElasticTrain trains mixture-of-experts language models on machines that may vanish at any moment: kill anything, any time, and the weights come out the same to the last bit.")
{
    TrainCommand.Create(), NodeCommand.Create(), InspectCommands.Status(), InspectCommands.Events(), InspectCommands.Digest(), VerifyCommand.Create(), ModelCommands.Create(), GenerateCommand.Create(), ExportCommand.Create(), TokenizerCommands.Create(),
    ChaosCommand.Create(), ControlCommands.Freeze(), ControlCommands.Thaw(), ControlCommands.Amend(), ControlCommands.Attach(), ControlCommands.Pause(), ControlCommands.Resume(), ControlCommands.Drain(),
};
var parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (var error in parsed.Errors) Console.Error.WriteLine(error.Message);
    Console.Error.WriteLine("elastictrain --help lists the commands; elastictrain COMMAND --help explains one.");
    return 2;
}
try
{
    if (EmptyArgument(parsed.CommandResult) is { } name) throw new BadInputException(name, "empty text", "at least one character");
    // Ctrl-C is each command's own business: it may have something to save.
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (BadInputException error)
{
    Console.Error.WriteLine(error.Message);
    return 2;
}
catch (ElasticTrainException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
catch (DbException error)
{
    // Locked, on a disk that cannot be written, or its server is down: nothing is wrong with the program.
    Console.Error.WriteLine($"the journal cannot be used: {error.Message}");
    return 1;
}
catch (Exception error)
{
    // Not one of ours: the trace is for whoever mends it, and the exit code is still the contract's.
    Console.Error.WriteLine($"internal error: {error}");
    return 1;
}

// No path, name or text of any command may be empty.
static string? EmptyArgument(CommandResult command)
{
    foreach (SymbolResult result in command.Children)
    {
        switch (result)
        {
            case OptionResult option when option.Tokens.Any(token => token.Value.Length == 0): return option.Option.Name;
            case ArgumentResult argument when argument.Tokens.Any(token => token.Value.Length == 0): return argument.Argument.Name;
        }
    }
    return null;
}
