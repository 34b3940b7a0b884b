using System.CommandLine;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Commands;

/// <summary><c>export</c>: a run's newest sealed checkpoint as a Hugging Face folder.</summary>
public static class ExportCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var runDirectory = CommonOptions.RunDirectory();
        var output = new Option<string>("--out") { Description = "a new or empty folder", HelpName = "HFDIR", Required = true };
        var withoutMtp = new Option<bool>("--without-mtp") { Description = "leave the multi-token prediction module out" };
        var maxShard = new Option<string>("--max-shard-size") { Description = "most bytes of tensors in one file", HelpName = "SIZE", DefaultValueFactory = _ => "5GB" };
        var dtype = CommonOptions.DataType("fp32 (default), or bf16 rounded to nearest even");
        var command = new Command("export", "Write the newest sealed checkpoint as a Hugging Face folder: safetensors, config.json, tokenizer.") { runDirectory, output, withoutMtp, maxShard, dtype };
        command.SetAction(parsed =>
        {
            if (!Units.TryBytes(parsed.GetRequiredValue(maxShard), out long bytes) || bytes < 1)
                throw new BadInputException("--max-shard-size", parsed.GetRequiredValue(maxShard), "a size such as 5GB or 512MiB");
            using var session = RunSession.Open(parsed.GetRequiredValue(runDirectory));
            var manifest = RunWeights.Newest(session, System.Console.Error.WriteLine);
            using NativeBuffer parameters = RunWeights.Read(session.Definition, manifest);
            string folder = parsed.GetRequiredValue(output);
            HuggingFaceExport.Write(session.Definition.Layout, parameters, folder, new ExportOptions(parsed.GetValue(withoutMtp), bytes, CommonOptions.Format(parsed.GetValue(dtype)) == WeightFormat.Bfloat16),
                files: ByteTokenizerFiles.All());
            System.Console.WriteLine($"step {manifest.Step} written to {folder}");
            return 0;
        });
        return command;
    }
}
