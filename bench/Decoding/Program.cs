using System.CommandLine;
using ElasticTrain.Decoding;
using ElasticTrain.Model;

var configs = new Option<string[]>("--config") { Description = "config.json files, or names of those beside this program", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => ["dense-144m", "moe-350m"] };
var threads = new Option<int[]>("--threads") { Description = "numbers of threads", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 2] };
var formats = new Option<WeightFormat[]>("--format") { Description = "formats of the weights", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [WeightFormat.Float32, WeightFormat.Bfloat16] };
var prompt = new Option<int>("--prompt") { Description = "tokens that are read before", DefaultValueFactory = _ => 16 };
var tokens = new Option<int>("--tokens") { Description = "tokens per turn", DefaultValueFactory = _ => 64 };
var rounds = new Option<int>("--rounds") { Description = "turns of each", DefaultValueFactory = _ => 5 };
var root = new RootCommand("Decoding speed against the memory's: tokens/s times the bytes of the weights that a token passes through, over the bytes/s of a plain sum over as many. Ratios of one run.")
{
    configs, threads, formats, prompt, tokens, rounds,
};
root.SetAction(parsed =>
{
    foreach (string config in parsed.GetValue(configs)!)
    {
        string file = File.Exists(config) ? config : Path.Combine(AppContext.BaseDirectory, "configs", config + ".json");
        Contest.Run(Path.GetFileNameWithoutExtension(file), ModelConfig.FromHuggingFace(file), parsed.GetValue(formats)!, parsed.GetValue(threads)!,
            parsed.GetValue(prompt), parsed.GetValue(tokens), parsed.GetValue(rounds));
    }
});
return root.Parse(args).Invoke();
