using ElasticTrain.Core;

namespace ElasticTrain.Model.Tests;

public class DecodingTests
{
    public static TheoryData<string> Variants => ["compressed queries", "plain queries", "softmax router", "across a yarn boundary", "yarn with two temperatures"];

    [Theory]
    [MemberData(nameof(Variants))]
    public void Token_by_token_the_latent_cache_gives_the_logits_of_the_whole_forward_pass(string variant)
    {
        ModelConfig tiny = TestModel.Tiny with { InitializerRange = 0.15, VocabSize = 64 };
        using var model = new TestModel(variant switch
        {
            "plain queries" => tiny with { QLoraRank = null, VHeadDim = 20, QkRopeHeadDim = 6 },
            "softmax router" => tiny with { ScoringFunc = ScoringFunc.Softmax, TopkMethod = TopkMethod.Greedy, NSharedExperts = 0 },
            "across a yarn boundary" => tiny with { RopeScaling = new YarnScaling(8, 32, 8, 1, 1, 1) },
            "yarn with two temperatures" => tiny with { RopeScaling = new YarnScaling(8, 32, 8, 1, 2, 0.5) },
            _ => tiny,
        });
        const int length = 150;
        int vocabulary = model.Layout.Config.VocabSize;
        int[] tokens = model.Batch(5, 1, length).Tokens[..length];
        float[] whole = model.Replica.Observe(1, length, tokens, (_, _) => { });
        using DecodingSession single = new(model.Layout, model.Parameters, length), mixed = new(model.Layout, model.Parameters, length);
        for (int t = 0; t < length; t++) Near(t, single.Append(tokens.AsSpan(t, 1)));
        // A prompt in pieces of any size, and single tokens behind it.
        foreach (var (first, count) in new[] { (0, 100), (100, 1), (101, 48), (149, 1) }) Near(first + count - 1, mixed.Append(tokens.AsSpan(first, count)));

        void Near(int position, float[] logits) =>
            Assert.True(ParityCase.WorstDifference(logits, whole.AsSpan(position * vocabulary, vocabulary)) <= 3e-5, $"position {position}: {ParityCase.WorstDifference(logits, whole.AsSpan(position * vocabulary, vocabulary))}");
    }

    [Fact]
    public void The_published_model_with_yarn_decodes_to_the_published_logits()
    {
        using var parity = new ParityCase("v3-yarn");
        float[] expected = parity.Floats("logits");
        int vocabulary = parity.Layout.Config.VocabSize;
        for (int row = 0; row < parity.Rows; row++)
        {
            using var session = new DecodingSession(parity.Layout, parity.Parameters, parity.Length);
            for (int t = 0; t < parity.Length; t++)
            {
                int position = (row * parity.Length) + t;
                float[] logits = session.Append([parity.Tokens[position]]);
                Assert.True(ParityCase.WorstDifference(logits, expected.AsSpan(position * vocabulary, vocabulary)) <= 3e-5);
            }
        }
    }

    [Fact]
    public void A_sequence_takes_the_memory_of_its_tokens_and_keeps_them_when_it_grows()
    {
        // Room for 2^31 - 1 tokens would be hundreds of GB; growing happens at 256 and 512 tokens.
        using var model = new TestModel(TestModel.Tiny with { MaxPositionEmbeddings = int.MaxValue, VocabSize = 64, InitializerRange = 0.15 });
        const int length = 520;
        int[] tokens = model.Batch(5, 1, length).Tokens[..length];
        float[] whole = model.Replica.Observe(1, length, tokens, (_, _) => { });
        using var session = new DecodingSession(model.Layout, model.Parameters, int.MaxValue);
        session.Append(tokens.AsSpan(0, 200));
        for (int t = 200; t < length; t++)
            Assert.True(ParityCase.WorstDifference(session.Append(tokens.AsSpan(t, 1)), whole.AsSpan(t * 64, 64)) <= 3e-5, $"position {t}");
    }

    [Fact]
    public void A_sequence_that_does_not_fit_is_refused_and_goes_on_as_before()
    {
        using var model = new TestModel(TestModel.Tiny);
        using DecodingSession session = new(model.Layout, model.Parameters, 4), other = new(model.Layout, model.Parameters, 4);
        session.Append([1, 2]);
        Assert.Throws<BadInputException>(() => session.Append([3, 4, 5]));
        Assert.Throws<BadInputException>(() => session.Append([260]));
        Assert.Throws<BadInputException>(() => session.Append([]));
        Assert.Throws<BadInputException>(() => new DecodingSession(model.Layout, model.Parameters, 257));
        other.Append([1, 2]);
        Assert.Equal(other.Append([3]), session.Append([3]));
    }
}

public class TokenSamplerTests
{
    private static readonly float[] Logits = [0, 3, 2, 1, 3];

    [Fact]
    public void Greedy_takes_the_lowest_of_the_likeliest() => Assert.Equal(1, Next(new SamplingOptions()));

    [Fact]
    public void Draws_follow_the_softmax()
    {
        int[] counts = Counts(new SamplingOptions { Temperature = 1 });
        double total = Logits.Sum(l => Math.Exp(l));
        for (int i = 0; i < Logits.Length; i++) Assert.Equal(Math.Exp(Logits[i]) / total, counts[i] / 20000.0, 0.015);
    }

    [Fact]
    public void Filters_leave_the_likeliest_tokens_alone()
    {
        Assert.Equal([1, 4], Drawn(new SamplingOptions { Temperature = 1, TopK = 2 }));
        Assert.Equal([1], Drawn(new SamplingOptions { Temperature = 1, TopK = 1 }));
        Assert.Equal([1, 2, 4], Drawn(new SamplingOptions { Temperature = 1, TopP = 0.9 })); // e^3 twice is 0.78 of all
        Assert.Equal([1, 4], Drawn(new SamplingOptions { Temperature = 1, TopP = 0.7 }));
        Assert.Equal([1, 2, 4], Drawn(new SamplingOptions { Temperature = 1, MinP = 0.3 })); // e^-1 = 0.37, e^-2 = 0.14
        Assert.Equal([0, 1, 2, 3, 4], Drawn(new SamplingOptions { Temperature = 5 }));
    }

    [Fact]
    public void What_was_there_before_is_less_likely_with_a_penalty()
    {
        Assert.Equal(4, new TokenSampler(new SamplingOptions { RepetitionPenalty = 1.2 }).Next([.. Logits], [1, 1]));
        Assert.Equal(0, new TokenSampler(new SamplingOptions { RepetitionPenalty = 2 }).Next([-1, -0.9f], [1]));
    }

    [Fact]
    public void A_seed_names_the_draws()
    {
        SamplingOptions options = new() { Temperature = 2, Seed = 7 };
        Assert.Equal(Sequence(options), Sequence(options));
        Assert.NotEqual(Sequence(options), Sequence(options with { Seed = 8 }));
    }

    [Theory]
    [InlineData("temperature")]
    [InlineData("top-k")]
    [InlineData("top-p")]
    [InlineData("min-p")]
    [InlineData("repetition-penalty")]
    public void An_impossible_option_is_named(string option)
    {
        SamplingOptions options = option switch
        {
            "temperature" => new() { Temperature = double.NaN },
            "top-k" => new() { TopK = -1 },
            "top-p" => new() { TopP = 0 },
            "min-p" => new() { MinP = 1.5 },
            _ => new() { RepetitionPenalty = 0 },
        };
        Assert.Equal("--" + option, Assert.Throws<BadInputException>(() => new TokenSampler(options)).Where);
    }

    [Theory]
    [InlineData(1e-300)] // 0 in fp32
    [InlineData(1e300)] // infinite in fp32
    public void A_penalty_beyond_fp32_is_refused(double penalty) =>
        Assert.Equal("--repetition-penalty", Assert.Throws<BadInputException>(() => new TokenSampler(new SamplingOptions { RepetitionPenalty = penalty })).Where);

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Logits_that_are_not_finite_choose_nothing(float logit) =>
        Assert.Contains("index 1", Assert.Throws<BadInputException>(() => new TokenSampler(new SamplingOptions()).Next([0, logit], [])).Message);

    private static int Next(SamplingOptions options) => new TokenSampler(options).Next([.. Logits], []);

    private static int[] Sequence(SamplingOptions options)
    {
        var sampler = new TokenSampler(options);
        return [.. Enumerable.Range(0, 50).Select(_ => sampler.Next([.. Logits], []))];
    }

    private static int[] Counts(SamplingOptions options)
    {
        var sampler = new TokenSampler(options);
        int[] counts = new int[Logits.Length];
        for (int i = 0; i < 20000; i++) counts[sampler.Next([.. Logits], [])]++;
        return counts;
    }

    private static int[] Drawn(SamplingOptions options) => [.. Counts(options).Index().Where(pair => pair.Item > 0).Select(pair => pair.Index)];
}
