using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Model;

namespace ElasticTrain.Host.Commands;

/// <summary><c>generate</c>: continues a prompt, token by token as it is computed.</summary>
public static class GenerateCommand
{
    private const int MostThreads = 1024;

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var model = new Option<string?>("--model") { Description = "a Hugging Face folder", HelpName = "HFDIR" };
        var run = new Option<string?>("--run-dir") { Description = "a run's folder: its newest sealed checkpoint", HelpName = "DIR" };
        var prompt = new Option<string?>("--prompt") { Description = "the text to continue (for byte-level vocabularies)", HelpName = "TEXT" };
        var ids = new Option<string?>("--prompt-ids") { Description = "the token ids to continue, separated by commas; the answer is ids as well", HelpName = "IDS" };
        var count = new Option<int>("--max-tokens") { Description = "most tokens to add", HelpName = "N", DefaultValueFactory = _ => 200 };
        var temperature = new Option<double>("--temperature") { Description = "0 takes the likeliest token; above, tokens are drawn", HelpName = "T" };
        var topK = new Option<int>("--top-k") { Description = "draw among the likeliest N tokens; 0 for all", HelpName = "N" };
        var topP = new Option<double>("--top-p") { Description = "draw among the likeliest tokens that together reach this probability", HelpName = "P", DefaultValueFactory = _ => 1 };
        var minP = new Option<double>("--min-p") { Description = "draw among tokens of at least this share of the likeliest one's probability", HelpName = "P" };
        var penalty = new Option<double>("--repetition-penalty") { Description = "above 1: tokens that were there before become less likely", HelpName = "X", DefaultValueFactory = _ => 1 };
        var seed = new Option<ulong>("--seed") { Description = "names the draws: the same seed, the same text", HelpName = "N", DefaultValueFactory = _ => 1 };
        var stops = new Option<string[]>("--stop") { Description = "text that ends the answer and is not part of it; may be repeated", HelpName = "TEXT", AllowMultipleArgumentsPerToken = false };
        var ignoreEnd = new Option<bool>("--ignore-eos") { Description = "go on behind a token that ends the text" };
        var dtype = CommonOptions.DataType("how the weights are held: fp32, or bf16, rounded to nearest even, which is half the memory and almost twice the speed (default: as a Hugging Face folder stores them; fp32 for a run)");
        var threads = new Option<int>("--threads") { Description = "threads that compute; any number writes the same text (default: one for each processor)", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command("generate", "Continue a prompt with a model or with a run's newest checkpoint.")
        {
            model, run, prompt, ids, count, temperature, topK, topP, minP, penalty, seed, stops, ignoreEnd, dtype, threads,
        };
        command.SetAction(parsed =>
        {
            var options = new SamplingOptions
            {
                Temperature = parsed.GetValue(temperature),
                TopK = parsed.GetValue(topK),
                TopP = parsed.GetValue(topP),
                MinP = parsed.GetValue(minP),
                RepetitionPenalty = parsed.GetValue(penalty),
                Seed = parsed.GetValue(seed),
            };
            options.Validate();
            string[] ends = parsed.GetValue(stops) ?? [];
            if (ends.Any(string.IsNullOrEmpty)) throw new BadInputException("--stop", "empty text", "text");
            if (parsed.GetValue(count) < 1) throw new BadInputException("--max-tokens", $"{parsed.GetValue(count)}", "1 or more");
            if (parsed.GetValue(threads) is < 1 or > MostThreads) throw new BadInputException("--threads", $"{parsed.GetValue(threads)}", $"1 to {MostThreads}");
            using TextSource source = Open(parsed.GetValue(model), parsed.GetValue(run), CommonOptions.Format(parsed.GetValue(dtype)));
            int[] start = Prompt(source, parsed.GetValue(prompt), parsed.GetValue(ids), ends);
            Generate(source, start, parsed.GetValue(count), parsed.GetValue(threads), new TokenSampler(options), ends, parsed.GetValue(ignoreEnd), parsed.GetValue(ids) is not null);
            return 0;
        });
        return command;
    }

    private static TextSource Open(string? model, string? run, WeightFormat? format) => (model, run) switch
    {
        ({ } folder, null) => TextSource.FromFolder(folder, format),
        (null, { } directory) => TextSource.FromRun(directory, format),
        _ => throw new BadInputException("generate", model is null ? "neither --model nor --run-dir" : "both --model and --run-dir", "one of the two"),
    };

    private static int[] Prompt(TextSource source, string? text, string? ids, string[] stops)
    {
        if (text is null == ids is null) throw new BadInputException("generate", text is null ? "neither --prompt nor --prompt-ids" : "both --prompt and --prompt-ids", "one of the two");
        if (text is not null && !source.IsBytes)
            throw new BadInputException("--prompt", "a model whose tokenizer this version does not read", "--prompt-ids with token ids, or a model with the byte-level tokenizer");
        if (ids is not null && stops.Length > 0) throw new BadInputException("--stop", "a stop string beside --prompt-ids", "--prompt: token ids have no text");
        int[] prompt = text is not null ? ByteTokenizer.Encode(text) :
        [
            .. ids!.Split(',', StringSplitOptions.TrimEntries).Select(id => int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int token)
                ? token
                : throw new BadInputException("--prompt-ids", $"\"{id}\"", "token ids separated by commas")),
        ];
        return prompt.Length > 0 ? prompt : throw new BadInputException("--prompt", "no text", "at least one character");
    }

    private static void Generate(TextSource source, int[] prompt, int count, int threads, TokenSampler sampler, string[] stops, bool ignoresEnd, bool isIds)
    {
        int longest = source.Weights.Layout.Config.MaxPositionEmbeddings;
        if (prompt.Length >= longest) throw new BadInputException("--prompt", $"{prompt.Length} tokens", $"fewer than max_position_embeddings = {longest}");
        using var session = new DecodingSession(source.Weights, (int)Math.Min(longest, (long)prompt.Length + count), threads);
        var text = new StreamedText(stops, Console.Out.Write);
        Decoder decoder = Encoding.UTF8.GetDecoder();
        var (watch, prefill, stopped, added) = (Stopwatch.StartNew(), TimeSpan.Zero, false, 0);
        foreach (int token in session.Generate(prompt, sampler))
        {
            if (added++ == 0) prefill = watch.Elapsed;
            if (!ignoresEnd && source.Ends.Contains(token)) break;
            stopped = text.Add(isIds ? (added == 1 ? "" : ",") + token.ToString(CultureInfo.InvariantCulture) : Characters(decoder, token));
            Console.Out.Flush();
            if (stopped) break;
        }
        if (!stopped) text.End();
        Console.Out.WriteLine();
        double seconds = (watch.Elapsed - prefill).TotalSeconds;
        string rate = added > 1 ? string.Create(CultureInfo.InvariantCulture, $", then {(added - 1) / seconds:0.0} tokens/s") : "";
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{prompt.Length} tokens read in {prefill.TotalSeconds:0.000} s, {added} added{rate}; {(source.Weights.Format == WeightFormat.Bfloat16 ? "bf16" : "fp32")}, {source.Weights.Bytes / 1e6:0.0} MB of weights, {threads} thread(s)"));
    }

    /// <summary>The characters that a byte completes; a vocabulary may be larger than the bytes, and what stands beyond them has no text.</summary>
    private static string Characters(Decoder decoder, int token)
    {
        if (token >= ByteTokenizer.ByteCount) return "";
        Span<char> characters = stackalloc char[4];
        return characters[..decoder.GetChars([(byte)token], characters, flush: false)].ToString();
    }
}
