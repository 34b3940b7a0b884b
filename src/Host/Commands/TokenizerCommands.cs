using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Data;

namespace ElasticTrain.Host.Commands;

/// <summary><c>tokenizer</c>: learn a vocabulary, use it, look at it.</summary>
public static class TokenizerCommands
{
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromSeconds(2);

    /// <summary>The command with its subcommands.</summary>
    public static Command Create() => new("tokenizer", "Learn a byte-level vocabulary from text, encode and decode with it, look at it.") { Train(), Encode(), Decode(), Info() };

    private static Command Train()
    {
        var inputs = new Argument<string[]>("INPUT") { Description = "text files, .jsonl files with {\"text\": ...} lines, and folders of such files", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "a new or empty folder", HelpName = "DIR", Required = true };
        var size = new Option<int>("--vocab-size") { Description = "number of ids, the 256 bytes and the special tokens included", HelpName = "N", Required = true };
        var rules = new Option<string>("--pre-tokenizer") { Description = $"where text is cut: {string.Join(", ", PreTokenizations.Names)}", HelpName = "RULES", DefaultValueFactory = _ => PreTokenization.DeepSeekV3.Name() };
        rules.AcceptOnlyFromAmong([.. PreTokenizations.Names]);
        var specials = new Option<string[]>("--special") { Description = $"a special token; may be repeated (default: {SpecialTokens.EndOfText})", HelpName = "TOKEN", AllowMultipleArgumentsPerToken = false };
        var fim = new Option<bool>("--fim") { Description = "also the special tokens for filling in the middle" };
        var fimStyle = new Option<string>("--fim-style") { Description = "which: deepseek or starcoder", HelpName = "STYLE", DefaultValueFactory = _ => "deepseek" };
        fimStyle.AcceptOnlyFromAmong("deepseek", "starcoder");
        var frequency = new Option<long>("--min-frequency") { Description = "pairs that come less often are not merged", HelpName = "N", DefaultValueFactory = _ => 2 };
        var count = new Option<long>("--min-pretoken-count") { Description = "pre-tokens that come less often are left out", HelpName = "N", DefaultValueFactory = _ => 1 };
        var memory = new Option<string>("--memory") { Description = "of the tables of distinct pre-tokens; what is beyond goes to a temporary folder", HelpName = "SIZE", DefaultValueFactory = _ => "1GiB" };
        var temporary = new Option<string?>("--temp") { Description = "the folder for that (default: the system's)", HelpName = "DIR" };
        var threads = new Option<int>("--threads") { Description = "threads (default: one for each processor); the result is the same with any number", HelpName = "N" };
        var command = new Command("train", "Learn a vocabulary and write it as tokenizer.json, vocab.json with merges.txt, and tokenizer.tiktoken.")
        {
            inputs, output, size, rules, specials, fim, fimStyle, frequency, count, memory, temporary, threads,
        };
        command.SetAction(parsed =>
        {
            if (!Units.TryBytes(parsed.GetRequiredValue(memory), out long bytes)) throw new BadInputException("--memory", parsed.GetRequiredValue(memory), "a size such as 1GiB or 512MB");
            string[] given = parsed.GetValue(specials) is { Length: > 0 } named ? named : [SpecialTokens.EndOfText];
            IEnumerable<string> marks = !parsed.GetValue(fim) ? [] : parsed.GetValue(fimStyle) == "deepseek" ? SpecialTokens.DeepSeekFim : SpecialTokens.StarCoderFim;
            var options = new TrainerOptions
            {
                VocabSize = parsed.GetValue(size),
                PreTokenization = PreTokenizations.Parse("--pre-tokenizer", parsed.GetRequiredValue(rules)),
                Specials = [.. given, .. marks],
                MinFrequency = parsed.GetValue(frequency),
                MinPreTokenCount = parsed.GetValue(count),
                Memory = bytes,
                TemporaryFolder = parsed.GetValue(temporary),
                Threads = parsed.GetValue(threads),
            };
            options.Validate();
            return Train(parsed.GetRequiredValue(inputs), options, parsed.GetRequiredValue(output));
        });
        return command;
    }

    private static int Train(string[] inputs, TrainerOptions options, string folder)
    {
        TokenizerFolder.CheckTarget(folder);
        using var interrupt = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Interrupt(context, interrupt));
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Interrupt(context, interrupt));
        try
        {
            var (model, report) = TokenizerTrainer.Train(TokenizerText.Read(inputs), options, interrupt.Token, Progress());
            interrupt.Token.ThrowIfCancellationRequested();
            TokenizerFolder.Write(model, folder);
            Line($"{report.Documents} documents, {report.TextBytes / 1e6:0.000} MB, {report.DistinctPreTokens} distinct of {report.PreTokens} pre-tokens{(report.SpilledTables > 0 ? $", {report.SpilledTables} tables spilled" : "")}");
            Print(model);
            if (model.VocabSize < options.VocabSize) Line($"fewer than {options.VocabSize} ids: no pair of tokens comes {options.MinFrequency} times any more");
            Line($"written to {folder}");
            return 0;
        }
        catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
        {
            Console.Error.WriteLine("interrupted; nothing was written");
            return 130;
        }
    }

    private static Action<int, TrainerReport> Progress()
    {
        long last = Environment.TickCount64;
        bool isFirst = true;
        return (merges, report) =>
        {
            if (Environment.TickCount64 - last < ProgressEvery.TotalMilliseconds) return;
            if (isFirst) Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.DistinctPreTokens} distinct pre-tokens in {report.TextBytes / 1e6:0.0} MB"));
            (last, isFirst) = (Environment.TickCount64, false);
            Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{merges} merges"));
        };
    }

    private static Command Encode()
    {
        var tokenizer = Tokenizer();
        var text = new Option<string?>("--text") { Description = "the text itself", HelpName = "TEXT" };
        var input = new Argument<string?>("FILE") { Description = "the file to encode (default: standard input)", Arity = ArgumentArity.ZeroOrOne };
        var allow = new Option<bool>("--allow-special") { Description = "special tokens written in the text become what they stand for" };
        var command = new Command("encode", "Print the ids of a text, separated by commas.") { input, tokenizer, text, allow };
        command.SetAction(parsed =>
        {
            SubwordTokenizer encoder = SubwordTokenizer.Load(parsed.GetRequiredValue(tokenizer));
            string? file = parsed.GetValue(input);
            if (parsed.GetValue(text) is not null && file is not null) throw new BadInputException("--text", "a text beside a file", "one of the two");
            string given = parsed.GetValue(text) ?? Text(file ?? "standard input", Bytes(file));
            Console.Out.WriteLine(string.Join(',', encoder.Encode(given, parsed.GetValue(allow))));
            return 0;
        });
        return command;
    }

    private static Command Decode()
    {
        var tokenizer = Tokenizer();
        var ids = new Option<string?>("--ids") { Description = "the ids themselves, separated by commas or blanks", HelpName = "IDS" };
        var input = new Argument<string?>("FILE") { Description = "a file with ids (default: standard input)", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("decode", "Write the bytes of ids to standard output, as they are.") { input, tokenizer, ids };
        command.SetAction(parsed =>
        {
            SubwordTokenizer decoder = SubwordTokenizer.Load(parsed.GetRequiredValue(tokenizer));
            string? file = parsed.GetValue(input);
            if (parsed.GetValue(ids) is not null && file is not null) throw new BadInputException("--ids", "ids beside a file", "one of the two");
            string where = file ?? (parsed.GetValue(ids) is null ? "standard input" : "--ids");
            int[] tokens = Ids(where, parsed.GetValue(ids) ?? Text(where, Bytes(file)));
            using Stream output = Console.OpenStandardOutput();
            try
            {
                output.Write(decoder.Decode(tokens));
            }
            catch (ArgumentOutOfRangeException error)
            {
                throw new BadInputException(where, $"the id {error.ActualValue}", $"ids of the vocabulary, below {decoder.Model.VocabSize}", error);
            }
            return 0;
        });
        return command;
    }

    private static Command Info()
    {
        var path = new Argument<string>("TOKENIZER") { Description = "a tokenizer.json, or a folder with one" };
        var inputs = new Option<string[]>("--on") { Description = "text files or folders: how many bytes a token of them has", HelpName = "INPUT" };
        var command = new Command("info", "Say what a vocabulary holds, and how well it fits a text.") { path, inputs };
        command.SetAction(parsed =>
        {
            SubwordTokenizer tokenizer = SubwordTokenizer.Load(parsed.GetRequiredValue(path));
            Print(tokenizer.Model);
            foreach (SpecialToken special in tokenizer.Model.Specials) Line($"  {special.Id,7}  {special.Text}");
            if (parsed.GetValue(inputs) is not { Length: > 0 } measured) return 0;
            (long bytes, long tokens) = (0, 0);
            foreach (ReadOnlyMemory<byte> document in TokenizerText.Read(measured))
            {
                bytes += document.Length;
                tokens += tokenizer.Encode(Encoding.UTF8.GetString(document.Span)).Length;
            }
            if (tokens == 0) throw new BadInputException("--on", "no text", "at least one character");
            Line($"text           {bytes} bytes in {tokens} tokens, {(double)bytes / tokens:0.000} bytes per token");
            return 0;
        });
        return command;
    }

    private static void Print(TokenizerModel model)
    {
        int longest = Enumerable.Range(0, model.VocabSize).Max(id => model.BytesOf(id).Length);
        Line($"vocabulary     {model.VocabSize} ids: 256 bytes, {model.Merges.Count} merges, {model.Specials.Count} special token(s)");
        Line($"pre-tokenizer  {model.PreTokenization.Name()}");
        Line($"longest token  {longest} bytes");
        Line($"hash           {model.Hash}");
    }

    private static Option<string> Tokenizer() => new("--tokenizer") { Description = "a tokenizer.json, or a folder with one", HelpName = "PATH", Required = true };

    private static byte[] Bytes(string? file)
    {
        try
        {
            if (file is not null) return File.ReadAllBytes(file);
            using Stream input = Console.OpenStandardInput();
            using var all = new MemoryStream();
            input.CopyTo(all);
            return all.ToArray();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException(file ?? "standard input", error.Message, "a file that can be read", error);
        }
    }

    private static string Text(string where, byte[] bytes)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException error)
        {
            throw new BadInputException($"{where}, offset {error.Index}", "a byte that does not belong there", "UTF-8", error);
        }
    }

    private static int[] Ids(string where, string text) => [.. text.Split([',', ' ', '\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries).Select(id =>
        int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int token) ? token : throw new BadInputException(where, $"\"{id}\"", "token ids separated by commas"))];

    private static void Line(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private static void Interrupt(PosixSignalContext context, CancellationTokenSource source)
    {
        context.Cancel = true;
        source.Cancel();
    }
}
