using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;

namespace ElasticTrain.Actors.Tests.Plans;

/// <summary>What a user gets wrong, and what the answer must say.</summary>
public sealed class PlanMistakeTests
{
    [Theory]
    [InlineData("optimizer.learning_rate = 1", "my.conf: optimizer.learning_rate (line 5)", "an unknown key", "\"learning-rate\"")]
    [InlineData("optimizer.lerning-rate = 1", "my.conf: optimizer.lerning-rate (line 5)", "an unknown key", "\"learning-rate\"")]
    [InlineData("checkpoints { every = 3 }", "my.conf: checkpoints (line 5)", "an unknown key", "\"checkpoint\"")]
    [InlineData("weight-decay = 0", "my.conf: weight-decay (line 5)", "an unknown key", "\"optimizer.weight-decay\"")]
    [InlineData("device.xyzzy = 0", "my.conf: device.xyzzy (line 5)", "an unknown key", "one of count, kind, memory, recompute, threads")]
    [InlineData("model.hiden-size = 64", "my.conf: model.hiden-size (line 5)", "an unknown key", "\"hidden-size\"")]
    [InlineData("device.count = two", "my.conf: device.count (line 5)", "\"two\"", "a whole number from 1 to 1024")]
    [InlineData("device.count = 1.5", "my.conf: device.count (line 5)", "\"1.5\"", "a whole number from 1 to 1024")]
    [InlineData("device.count = 0", "my.conf: device.count (line 5)", "\"0\"", "a whole number from 1 to 1024")]
    [InlineData("device.count = [1]", "my.conf: device.count (line 5)", "a list of 1", "a whole number from 1 to 1024")]
    [InlineData("device = cuda", "my.conf: device (line 5)", "\"cuda\"", "a section: device { ... }")]
    [InlineData("device.kind = gpu", "my.conf: device.kind (line 5)", "\"gpu\"", "cpu or cuda")]
    [InlineData("device.memory = lots", "my.conf: device.memory (line 5)", "\"lots\"", "a size of at least 1 byte (for example 64 MiB)")]
    [InlineData("elastic.audit = 1.5", "my.conf: elastic.audit (line 5)", "\"1.5\"", "a share of the ranks from 0 to 1")]
    [InlineData("elastic.replicas = 0", "my.conf: elastic.replicas (line 5)", "\"0\"", "a whole number from 1 to 8")]
    [InlineData("elastic.suspect-after = 3", "my.conf: elastic.suspect-after (line 5)", "\"3\"", "a duration of at least 50 ms, with its unit (for example 500 ms or 2 s)")]
    [InlineData("elastic.suspect-after = 1 sek", "my.conf: elastic.suspect-after (line 5)", "\"1 sek\"", "a duration of at least 50 ms, with its unit (for example 500 ms or 2 s)")]
    [InlineData("elastic.allow-chaos = maybe", "my.conf: elastic.allow-chaos (line 5)", "\"maybe\"", "true or false")]
    [InlineData("numerics.compute = fp16", "my.conf: numerics.compute (line 5)", "\"fp16\", which is not supported yet", "fp32 or bf16")]
    [InlineData("numerics = tolerant", "my.conf: numerics (line 5)", "\"tolerant\"", "a section: numerics { ... }")]
    [InlineData("optimizer.betas = 0.9", "my.conf: optimizer.betas (line 5)", "\"0.9\"", "a list of 2 numbers, each from 0 to below 1")]
    [InlineData("optimizer.betas = [0.9, 1]", "my.conf: optimizer.betas.1 (line 5)", "\"1\"", "a list of 2 numbers, each from 0 to below 1")]
    [InlineData("optimizer.betas = [ ]", "my.conf: optimizer.betas (line 5)", "a list of 0", "a list of 2 numbers, each from 0 to below 1")]
    [InlineData("optimizer.eps = NaN", "my.conf: optimizer.eps (line 5)", "\"NaN\"", "a number above 0")]
    [InlineData("optimizer.schedule.type = cosin", "my.conf: optimizer.schedule.type (line 5)", "\"cosin\"", "constant or cosine or linear")]
    [InlineData("optimizer.schedule.warmup-steps = 60", "my.conf: optimizer.schedule.warmup-steps (line 5)", "60 steps of warm-up", "fewer than the 60 steps of all phases")]
    [InlineData("data.max-bytes = lots", "my.conf: data.max-bytes (line 5)", "\"lots\"", "a size of at least 1 byte (for example 64 MiB)")]
    [InlineData("data.input = \"\"", "my.conf: data.input (line 5)", "empty text", "text, or no such key")]
    [InlineData("seed = -1", "my.conf: seed (line 5)", "\"-1\"", "a whole number from 0 to 18446744073709551615")]
    [InlineData("journal.provider = postgresql", "my.conf: journal.connection-string", "nothing", "an Npgsql connection string, for example \"Host=db;Database=runs;Username=me\"")]
    [InlineData("model.qk-rope-head-dim = 7", "my.conf: model.qk-rope-head-dim (line 5)", "7", "an even number")]
    [InlineData("model.scoring-func = tanh", "my.conf: model.scoring-func (line 5)", "\"tanh\"", "sigmoid or softmax")]
    [InlineData("model.rope-scaling = yarn", "my.conf: model.rope-scaling (line 5)", "\"yarn\"", "a section { factor, original-max-position-embeddings, ... } for YaRN, or none")]
    [InlineData("model.rope-scaling.factor = 4", "my.conf: model.rope-scaling.original-max-position-embeddings", "nothing", "a whole number of at least 0")]
    [InlineData("model.vocab-size = 259", "my.conf: model.vocab-size (line 5)", "259", "at least the byte tokenizer's 260")]
    [InlineData("data.max-bytes = 99999999999999999999 GB", "my.conf: data.max-bytes (line 5)", "\"99999999999999999999 GB\"", "a size of at least 1 byte (for example 64 MiB)")]
    [InlineData("freeze.policy = always", "my.conf: freeze.policy (line 5)", "\"always\"", "none or schedule or plateau or similarity")]
    [InlineData("freeze.policy = schedule", "my.conf: freeze.schedule", "nothing", "a list: schedule = [ { step = 100, layers = 0-1 } ]")]
    [InlineData("freeze.schedule = [ { step = 1, layers = 0-1 } ]", "my.conf: freeze.schedule.0.step (line 5)", "\"1\"", "a whole number of at least 2")]
    [InlineData("freeze.schedule = [ { step = 9, layers = 1-2 } ]", "my.conf: freeze.schedule.0.layers (line 5)", "\"1-2\"", "0-K, a prefix that starts at layer 0, or none")]
    [InlineData("freeze.schedule = [ { step = 9, layers = 0-3 } ]", "my.conf: freeze.schedule (line 5)", "layers 0-3", "0-K with K from 0 to 2: the model has 3 layers")]
    [InlineData("freeze.keep-last = 0", "my.conf: freeze.keep-last (line 5)", "\"0\"", "a whole number of at least 1")]
    [InlineData("model.config = x", "my.conf: model.config (line 5)", "a preset and a config", "one of the two")]
    public void A_bad_key_is_named_with_its_file_path_and_line(string line, string where, string found, string expected)
    {
        var error = Given.Refused(() => Given.Plan(line));
        Assert.Equal((where, found, expected), (error.Where, error.Found, error.Expected));
        Assert.Single(error.Problems);
    }

    [Theory]
    [InlineData("optimizer {\n  clip = 1", "line 6", "a '}' for the '{' of line 5")]
    [InlineData("phases2 = [ 1, 2", "line 5", "a ']' for the '[' of line 5")]
    [InlineData("}", "line 5", "a key")]
    [InlineData("name", "line 5", "'=' and a value, or '{'")]
    [InlineData("name =", "line 5", "a value on the same line")]
    [InlineData("name =\nseed = 3", "line 5", "a value on the same line")]
    [InlineData("my name = x", "line 5", "'=' and a value, or '{'")]
    [InlineData("name = \"x\nseed = 3", "line 5", "both on the same line")]
    [InlineData("data.input = C:\\texts", "line 5", "double quotes around text with special characters")]
    [InlineData("data.input = \"C:\\texts\\new\\q\"", "line 5", "'\\\\' for a backslash")]
    [InlineData("data.input = http://x.y/z", "line 5", "double quotes around text with special characters")]
    [InlineData("data.input = /texts#1", "line 5", "double quotes around the value, or a space before the comment")]
    [InlineData("data.input = ${HOME}/x", "line 5", "substitutions are not supported")]
    [InlineData("name = x } seed = 3", "line 5", "a key")]
    [InlineData("device { count = 1 } elastic { min-workers = 1 }", "line 5", "a line end or a comma after a value")]
    [InlineData("include \"other.conf\"", "line 5", "includes are not supported")]
    [InlineData("name = a, , seed = 2", "line 5", "a key")]
    [InlineData("device { count = 1 }\ndevice.count = 2", "device.count (line 6)", "each key once")]
    [InlineData("device = 1\ndevice.count = 2", "device.count (line 6)", "one or the other")]
    [InlineData("device.count = 2\ndevice = 1", "device (line 6)", "each key once")]
    public void Broken_syntax_is_refused_with_its_line(string text, string where, string expected)
    {
        var error = Given.Refused(() => Given.Plan(text));
        Assert.Contains(where, error.Where, StringComparison.Ordinal);
        Assert.StartsWith("my.conf: ", error.Where, StringComparison.Ordinal);
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "x { ")]
    [InlineData("x = ", "[")]
    public void Brackets_without_an_end_are_refused_and_not_followed(string start, string opening)
    {
        var error = Given.Refused(() => Given.Plan(start + string.Concat(Enumerable.Repeat(opening, 100_000))));
        Assert.Equal("my.conf: line 5", error.Where);
        Assert.Contains("inside 32 others", error.Found, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(30, 28)]
    [InlineData(31, 32)]
    [InlineData(3, 4)]
    public void A_batch_that_does_not_divide_shows_the_equation_and_the_nearest_that_does(int train, int nearest)
    {
        var error = Given.Refused(() => Given.Plan("", $"batch.train-batch-size={train}", "batch.gradient-accumulation-steps=2"));
        Assert.Equal("--set batch.train-batch-size", error.Where);
        Assert.Contains($"train-batch-size {train} = micro-batch-size 2 x gradient-accumulation-steps 2 x V", error.Found, StringComparison.Ordinal);
        Assert.EndsWith($"the nearest train-batch-size is {nearest}", error.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("optimizer.lr=1", "--set optimizer.lr")]
    [InlineData("optimizer.betas=[1", "--set optimizer.betas: line 1")]
    [InlineData("phases.1.steps=4", "--set phases.1.steps")]
    [InlineData("seed.x=4", "--set seed.x")]
    [InlineData("optimizer..clip=4", "--set optimizer..clip")]
    [InlineData("data.input=", "--set data.input")]
    [InlineData("phases=[{steps=x}]", "--set phases.0.steps")]
    public void A_bad_setting_is_named_as_it_was_given(string set, string where) =>
        Assert.Equal(where, Given.Refused(() => Given.Plan("seed = 1", set)).Where);

    [Fact]
    public void Everything_that_is_missing_is_named_at_once()
    {
        var error = Given.Refused(() => Given.Parse("nam = x"));
        Assert.Equal(
            ["my.conf: batch", "my.conf: optimizer", "my.conf: phases", "my.conf: model", "my.conf: nam (line 1)"], error.Problems.Select(problem => problem.Where));
        Assert.Equal(5, error.Message.Split('\n').Length);
        Assert.Equal(["my.conf: batch.train-batch-size", "my.conf: batch.micro-batch-size", "my.conf: batch.sequence-length"],
            Given.Refused(() => Given.Parse("model.preset = tiny\nbatch {}\nphases=[{steps=1}]\noptimizer.learning-rate=1")).Problems.Select(problem => problem.Where));
    }

    [Fact]
    public void A_preset_that_does_not_exist_and_a_phase_without_steps_are_both_named()
    {
        var error = Given.Refused(() => Given.Plan("", "model.preset=quikstart", "phases=[{name=x}]"));
        Assert.Contains("--set model.preset: found \"quikstart\", expected \"quickstart\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("my.conf: phases.0.steps: found nothing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sequence_longer_than_the_models_positions_is_refused() =>
        Assert.Contains("max-position-embeddings, 256", Given.Refused(() => Given.Plan("", "batch.sequence-length=257")).Expected, StringComparison.Ordinal);

    [Fact]
    public void A_plan_file_or_training_text_that_is_not_there_is_refused()
    {
        Assert.Equal("no such file", Given.Refused(() => Plan.Load("nowhere.conf", [])).Found);
        Assert.Equal("a folder", Given.Refused(() => Plan.Load(Path.GetTempPath(), [])).Found);
        string tiny = Path.Combine(Given.Repository(), "hocon", "plans", "tiny.conf");
        var error = Given.Refused(() => Plan.Load(tiny, Given.Sets("data.input=/no/such/text")));
        Assert.Equal(("--set data.input", "no file or folder /no/such/text"), (error.Where, error.Found));
    }

    [Fact]
    public void A_memory_limit_that_cannot_be_kept_is_refused_with_the_least_that_can()
    {
        string tiny = Path.Combine(Given.Repository(), "hocon", "plans", "tiny.conf");
        var error = Given.Refused(() => Plan.Load(tiny, Given.Sets("device.memory=1 MB")));
        Assert.Equal(
            ("--set device.memory", "1000000 bytes", "at least 1058944 bytes: 53248 for the largest layer's parameters, 791680 for gradients, about 214016 for activations"),
            (error.Where, error.Found, error.Expected));
        Assert.Contains("device.memory", Given.Refused(() => Plan.Load(tiny, Given.Sets("device.memory=1058943"))).Where, StringComparison.Ordinal);

        Assert.True(Memory("device.memory=1058944").IsStreamed);
        Assert.True(Memory("device.memory=1203615").IsStreamed);
        Assert.False(Memory("device.memory=1203616").IsStreamed); // gradients, activations and 49480 values
        // Devices share their windows, recomputing leaves more of the limit, and the phase that needs most counts.
        Assert.False(Memory("device.memory=1104656", "device.count=2").IsStreamed);
        Assert.True(Memory("device.memory=1058944", "device.recompute=true").NodeWindow > Memory("device.memory=1058944").NodeWindow);
        Assert.True(Memory("device.memory=1 GB", "phases=[{steps=60},{steps=1,batch{sequence-length=64}}]").Activations > 400_000);

        DeviceMemory Memory(params string[] sets)
        {
            Plan plan = Plan.Load(tiny, Given.Sets(sets));
            return DeviceMemory.Of(plan, Model.ParameterLayout.Create(plan.Model.Config))!;
        }
    }

    [Fact]
    public void Random_damage_to_a_plan_is_read_or_refused_but_never_crashes()
    {
        string text = Given.Plan().ToHocon();
        var random = new Random(7);
        const string noise = "{}[]\"=:,#$\\\n ax1.";
        for (int i = 0; i < 3000; i++)
        {
            char[] damaged = text.ToCharArray();
            for (int j = random.Next(1, 4); j > 0; j--) damaged[random.Next(damaged.Length)] = noise[random.Next(noise.Length)];
            string candidate = new string(damaged)[..random.Next(damaged.Length / 2, damaged.Length)];
            try
            {
                Given.Parse(i % 2 == 0 ? new string(damaged) : candidate);
            }
            catch (BadInputException error)
            {
                Assert.StartsWith("my.conf", error.Where, StringComparison.Ordinal);
            }
        }
    }
}
