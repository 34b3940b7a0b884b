using System.Diagnostics;
using System.Globalization;
using System.Text;
using ElasticTrain.Data.Cleaning;

namespace ElasticTrain.Pipeline;

/// <summary>Cleaning, signals and filters on one thread, in MB of UTF-8 per second.</summary>
internal static class Cleaning
{
    private const int Rounds = 7, DocumentLength = 6000, Documents = 1500;

    internal static void Run(string? file)
    {
        string[] texts = file is null ? [.. Enumerable.Range(0, Documents).Select(Generated)] : [.. Pieces(File.ReadAllText(file))];
        double megabytes = texts.Sum(text => (long)Encoding.UTF8.GetByteCount(text)) / 1e6;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{texts.Length} documents, {megabytes:0.0} MB, one thread"));
        Measure("clean", texts, megabytes, text => TextCleaner.Clean(text, new CleaningOptions()).Text.Length);
        Measure("scrub", texts, megabytes, text => Scrubber.Scrub(text, new ScrubbingOptions()).Text.Length);
        Measure("signals", texts, megabytes, text => SignalMeter.Measure(text, new SignalOptions()).Signals.Numbers.Count);
        foreach (string name in new[] { "default", "web", "code" })
        {
            var cleaner = new DocumentCleaner(CleaningProfile.Named(name) with { IdentifyLanguage = false });
            FilterRules rules = cleaner.Profile.Rules.With(["language.min-confidence=off"]);
            Measure($"clean + signals + filter ({name})", texts, megabytes, text => rules.Judge(cleaner.Process(text).Signals).IsKept ? 1 : 0);
        }
        var identifier = new LinguaIdentifier();
        string[] few = texts[..Math.Min(100, texts.Length)];
        Measure("language", few, few.Sum(text => (long)Encoding.UTF8.GetByteCount(text)) / 1e6, text => identifier.Identify(text).Code.Length);
    }

    private static void Measure(string what, string[] texts, double megabytes, Func<string, int> work)
    {
        var speeds = new List<double>();
        long sum = 0;
        for (int round = 0; round <= Rounds; round++)
        {
            var watch = Stopwatch.StartNew();
            foreach (string text in texts) sum += work(text);
            // The first round compiles.
            if (round > 0) speeds.Add(megabytes / watch.Elapsed.TotalSeconds);
        }
        Console.WriteLine($"{what,-36} {new Numbers(speeds).ToString("0.0")} MB/s per core ({sum / (Rounds + 1)})");
    }

    private static IEnumerable<string> Pieces(string text)
    {
        for (int start = 0; start < text.Length; start += DocumentLength) yield return text[start..Math.Min(text.Length, start + DocumentLength)];
    }

    /// <summary>Words of a vocabulary with Zipf's frequencies, in sentences, lines and paragraphs: the same text on any machine.</summary>
    private static string Generated(int seed)
    {
        string[] common = ["the", "of", "and", "to", "a", "in", "is", "that", "for", "it", "with", "as", "was", "be", "by", "on", "not", "he", "this", "are", "or", "his", "from", "at", "which", "have"];
        var random = new Random(seed);
        var text = new StringBuilder();
        for (int word = 0, left = 12; text.Length < DocumentLength; word++)
        {
            int rank = (int)Math.Pow(20_000, random.NextDouble()) - 1;
            text.Append(rank < common.Length ? common[rank] : Word(rank));
            if (--left > 0)
            {
                text.Append(random.Next(12) == 0 ? ", " : " ");
                continue;
            }
            left = random.Next(6, 25);
            text.Append(random.Next(5) == 0 ? ".\n" : random.Next(9) == 0 ? ".\n\n" : ". ");
        }
        return text.ToString();
    }

    private static string Word(int rank)
    {
        const string Consonants = "tnsrhdlcmfpgwybvk", Vowels = "eaoiu";
        var word = new StringBuilder();
        for (int rest = rank; rest > 0 || word.Length < 3; rest /= Consonants.Length * Vowels.Length)
            word.Append(Consonants[rest % Consonants.Length]).Append(Vowels[rest / Consonants.Length % Vowels.Length]);
        return word.ToString();
    }
}
