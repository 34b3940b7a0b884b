using ElasticTrain.Core;

namespace ElasticTrain.Model;

/// <summary>How the next token is chosen from logits.</summary>
public sealed record SamplingOptions
{
    /// <summary>0 takes the likeliest token; above, tokens are drawn from softmax(logits / temperature).</summary>
    public double Temperature { get; init; }

    /// <summary>Only the likeliest tokens, this many; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the likeliest tokens that together reach this probability (Holtzman et al., arXiv:1904.09751); 1 for all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens of at least this share of the likeliest one's probability (Nguyen et al., arXiv:2407.01082); 0 for all.</summary>
    public double MinP { get; init; }

    /// <summary>Divides positive logits of tokens that were there before, and multiplies negative ones (Keskar et al., arXiv:1909.05858); 1 for none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Names the draws.</summary>
    public ulong Seed { get; init; }

    /// <summary>Refuses impossible numbers.</summary>
    /// <exception cref="BadInputException">Names the option.</exception>
    public void Validate()
    {
        Require("temperature", Temperature, Temperature >= 0 && double.IsFinite(Temperature), "0 or a positive number");
        Require("top-k", TopK, TopK >= 0, "0 or a positive whole number");
        Require("top-p", TopP, TopP is > 0 and <= 1, "a number above 0, up to 1");
        Require("min-p", MinP, MinP is >= 0 and <= 1, "a number from 0 to 1");
        Require("repetition-penalty", RepetitionPenalty, float.IsNormal((float)RepetitionPenalty) && RepetitionPenalty > 0, "a positive number within the range of fp32");
    }

    private static void Require(string option, double value, bool holds, string expected)
    {
        if (!holds) throw new BadInputException($"--{option}", value.ToString(System.Globalization.CultureInfo.InvariantCulture), expected);
    }
}

/// <summary>Chooses tokens, one draw after another. The same seed, logits and options give the same tokens on any machine.</summary>
public sealed class TokenSampler
{
    private readonly SamplingOptions _options;
    private readonly ulong _key;
    private ulong _draws;

    /// <summary>Starts with the first draw.</summary>
    /// <exception cref="BadInputException">An option is impossible.</exception>
    public TokenSampler(SamplingOptions options)
    {
        options.Validate();
        _options = options;
        _key = CounterRandom.Key(options.Seed, "generate");
    }

    /// <summary>The next token. Of equally likely tokens, the one with the lowest id ranks first.</summary>
    /// <param name="logits">One for each token id; changed by the repetition penalty.</param>
    /// <param name="before">The tokens so far.</param>
    /// <exception cref="BadInputException">A logit is not finite: there is no likeliest token then.</exception>
    public int Next(Span<float> logits, IReadOnlyCollection<int> before)
    {
        CheckpointFiles.RequireFinite("logits", logits, 0);
        if (_options.RepetitionPenalty != 1)
        {
            float penalty = (float)_options.RepetitionPenalty;
            foreach (int token in before.Distinct()) logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
        }
        ulong bits = CounterRandom.Bits(_key, _draws++);
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        if (_options.Temperature == 0) return best;
        double[] weights = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            double exponent = (logits[i] - logits[best]) / _options.Temperature;
            weights[i] = exponent > -700 ? DeterministicMath.Exp(exponent) : 0;
        }
        Filter(weights);
        return Draw(weights, bits, best);
    }

    /// <summary>Sets the weights of tokens that are out to 0.</summary>
    private void Filter(double[] weights)
    {
        if (_options.MinP > 0)
        {
            for (int i = 0; i < weights.Length; i++) if (weights[i] < _options.MinP) weights[i] = 0; // the likeliest has weight 1
        }
        if ((_options.TopK == 0 || _options.TopK >= weights.Length) && _options.TopP == 1) return;
        int[] order = [.. Enumerable.Range(0, weights.Length).OrderByDescending(i => weights[i]).ThenBy(i => i)];
        int kept = _options.TopK == 0 ? order.Length : Math.Min(_options.TopK, order.Length);
        if (_options.TopP < 1)
        {
            double all = order.Take(kept).Sum(i => weights[i]), sum = 0;
            int count = 0;
            while (count < kept && sum < _options.TopP * all) sum += weights[order[count++]];
            kept = count;
        }
        foreach (int i in order.Skip(kept)) weights[i] = 0;
    }

    private static int Draw(double[] weights, ulong bits, int best)
    {
        double total = 0;
        foreach (double weight in weights) total += weight;
        double draw = (bits >> 11) * (1.0 / (1UL << 53)) * total, cumulative = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            cumulative += weights[i];
            if (draw < cumulative) return i;
        }
        return best;
    }
}
