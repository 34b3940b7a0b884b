using ElasticTrain.Actors.Plans;
using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Tests.Plans;

public sealed class PlanTests
{
    [Theory]
    [InlineData("quickstart", 4, 2500, 2)]
    [InlineData("tiny", 4, 60, 1)]
    public void The_plans_that_come_with_the_program_are_good(string name, int ranks, long steps, int devices)
    {
        Plan plan = Plan.Load(Path.Combine(Given.Repository(), "hocon", "plans", $"{name}.conf"), []);
        Assert.Equal((name, 1UL, ranks, steps, devices), (plan.Name, plan.Seed, plan.Batch.VirtualWorldSize, plan.TotalSteps, plan.Device.Count));
        Assert.Equal(name, plan.Model.Preset);
        Assert.Null(plan.Data.Input);
    }

    [Fact]
    public void A_plan_written_out_and_read_again_is_the_same_plan()
    {
        Plan plan = Given.Plan("""
            name = "a \"quoted\" name \\ with everything"
            seed = 18446744073709551615
            data { input = "/some where/x", max-bytes = 64 MiB, validation-share = 0.125 }
            phases = ${}
            """.Replace("phases = ${}", "", StringComparison.Ordinal) + """

            elastic { min-workers = 3, suspect-after = 750 ms, preemption-grace = 1.5 minutes, audit = 0.25, allow-chaos = on }
            journal { provider = postgresql, connection-string = "Host=db;Password=p\"q" }
            checkpoint { every = 7, keep = 3, directory = "/ck pt" }
            numerics { mode = tolerant }
            freeze { policy = schedule, moments = drop, schedule = [ { step = 9, layers = 0-1 }, { step = 12, layers = none } ], window = 7, threshold = 0.25, patience = 3, keep-last = 2, every = 11, probe-rows = 5, thaw-ratio = 0 }
            """, "optimizer.betas=[0.8,0.999]", "optimizer.schedule.type=linear", "model.q-lora-rank=none", "model.scoring-func=softmax",
            "model.topk-method=group_limited_greedy", "model.rope-scaling={factor=4,original-max-position-embeddings=64,mscale-all-dim=0.7}", "model.num-nextn-predict-layers=1", "phases=[{steps=3,learning-rate=0.1},{name=b,steps=4,batch{train-batch-size=12}}]");
        Plan again = Plan.Parse(plan.ToHocon(), "elsewhere/plan.conf", []);
        Assert.Equal(plan, again);
        Assert.Equal(plan.ToHocon(), again.ToHocon());
        Assert.Null(again.Model.Config.QLoraRank);
        Assert.Equal(new YarnScaling(4, 64, 32, 1, 1, 0.7), again.Model.Config.RopeScaling);
        Assert.Equal((ScoringFunc.Softmax, TopkMethod.GroupLimitedGreedy, 1), (again.Model.Config.ScoringFunc, again.Model.Config.TopkMethod, again.Model.Config.NumNextnPredictLayers));
        Assert.Equal(64L << 20, again.Data.MaxBytes);
        Assert.Equal([new FreezeScheduleEntry(new Step(9), 2), new FreezeScheduleEntry(new Step(12), 0)], again.Freeze.Schedule);
        Assert.Equal(new FreezePlan(FreezePolicyKind.Schedule, true, again.Freeze.Schedule, 7, 0.25, 3, 2, 11, 5, 0), again.Freeze);
        Assert.Equal(plan.Canonical(), (plan with { Freeze = FreezePlan.None }).Canonical());
        Assert.Equal((TimeSpan.FromSeconds(90), 0.25), (again.Elastic.PreemptionGrace, again.Elastic.Audit));
        Assert.NotEqual(plan, again with { Phases = [again.Phases[0]] });
    }

    [Fact]
    public void A_model_can_be_given_by_all_its_fields_or_by_a_file()
    {
        Plan plan = Given.Plan();
        string fields = string.Join('\n', plan.ToHocon().Split('\n').Where(line => !line.Contains("preset", StringComparison.Ordinal)));
        Plan whole = Given.Parse(fields);
        Assert.Equal(plan.Model.Config, whole.Model.Config);
        Assert.Null(whole.Model.Preset);
        Assert.Equal(plan.Canonical(), whole.Canonical());
        string missing = string.Join('\n', fields.Split('\n').Where(line => !line.Contains("hidden-size", StringComparison.Ordinal) && !line.Contains("v-head-dim", StringComparison.Ordinal)));
        Assert.Equal(["my.conf: model.hidden-size", "my.conf: model.v-head-dim"], Given.Refused(() => Given.Parse(missing)).Problems.Select(problem => problem.Where));

        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            var error = Given.Refused(() => Given.Plan(sets: $"model.config={folder}"));
            Assert.Contains("--set model.config", error.Message, StringComparison.Ordinal);
            Assert.Contains("no such file", error.Message, StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(folder, "config.json"), """
                { "model_type": "deepseek_v3", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "moe_intermediate_size": 16,
                  "num_hidden_layers": 3, "num_attention_heads": 2, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
                  "first_k_dense_replace": 1, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16,
                  "max_position_embeddings": 64 }
                """);
            Plan imported = Given.Plan("", $"model.config={folder}", "model.hidden-size=48");
            Assert.Equal((300, 48, 64), (imported.Model.Config.VocabSize, imported.Model.Config.HiddenSize, imported.Model.Config.MaxPositionEmbeddings));
            Assert.Null(imported.Model.Preset);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_cannot_change_a_bit_does_not_change_the_hash()
    {
        Digest256 data = Digest256.Of("data"), tokenizer = Digest256.Of("tokenizer");
        Digest256 hash = Given.Plan().Hash(data, tokenizer);
        string[] harmless =
        [
            "name=other", "elastic.min-workers=2", "elastic.suspect-after=3 s", "elastic.preemption-grace=1 m", "elastic.allow-chaos=true", "elastic.audit=1", "checkpoint.every=3",
            "checkpoint.keep=9", "checkpoint.directory=/x", "device.count=3", "device.recompute=true", "device.memory=1 GB", "device.threads=2", "device.kind=cuda", "data.input=/elsewhere", "phases.0.name=x",
            "journal={provider=postgresql,connection-string=x}", "seed=1", "optimizer.betas=[0.9,0.95]", "batch.gradient-accumulation-steps=1", "model.hidden-size=32",
        ];
        foreach (string set in harmless) Assert.True(hash == Given.Plan("", set).Hash(data, tokenizer), set);
        Assert.NotEqual(hash, Given.Plan().Hash(tokenizer, data));
        Assert.NotEqual(hash, Given.Plan().Hash(Digest256.Of("other data"), tokenizer));
    }

    [Theory]
    [InlineData("seed=2")]
    [InlineData("model.hidden-size=64")]
    [InlineData("model.bias-update-speed=0.002")]
    [InlineData("model.scoring-func=softmax")]
    [InlineData("model.topk-method=group_limited_greedy")]
    [InlineData("model.rope-scaling={factor=4,original-max-position-embeddings=64}")]
    [InlineData("model.num-nextn-predict-layers=1")]
    [InlineData("model.mtp-input=raw")]
    [InlineData("model.aux-loss-alpha=0.001")]
    [InlineData("phases.0.steps=61")]
    [InlineData("phases.0.learning-rate=0.1")]
    [InlineData("optimizer.learning-rate=0.1")]
    [InlineData("optimizer.betas=[0.9,0.96]")]
    [InlineData("optimizer.eps=1e-7")]
    [InlineData("optimizer.weight-decay=0")]
    [InlineData("optimizer.clip=0")]
    [InlineData("optimizer.schedule.type=linear")]
    [InlineData("optimizer.schedule.warmup-steps=1")]
    [InlineData("optimizer.schedule.min-ratio=0.2")]
    [InlineData("batch.train-batch-size=16")]
    [InlineData("batch.micro-batch-size=4")]
    [InlineData("batch.gradient-accumulation-steps=2")]
    [InlineData("batch.sequence-length=33")]
    [InlineData("numerics.mode=tolerant")]
    public void What_can_change_a_bit_changes_the_hash(string set) =>
        Assert.NotEqual(Given.Plan().Hash(default, default), Given.Plan("", set).Hash(default, default));

    [Fact]
    public void Settings_on_the_command_line_win_over_the_file_and_later_ones_over_earlier_ones()
    {
        Plan plan = Given.Plan("name = file", "name=first", "name=last: with = signs # and such", "phases.0.steps=7", "data.max-bytes=1 kB", "model.config=null");
        Assert.Equal("last: with = signs # and such", plan.Name);
        Assert.Equal(7, plan.TotalSteps);
        Assert.Equal(1000, plan.Data.MaxBytes);
    }

    [Fact]
    public void A_path_in_the_file_is_relative_to_the_file_and_a_path_on_the_command_line_to_the_working_folder()
    {
        string text = Given.Smallest + "data.input = texts";
        Assert.Equal(Path.GetFullPath("some/folder/texts"), Plan.Parse(text, "some/folder/my.conf", []).Data.Input);
        Assert.Equal(Path.GetFullPath("texts"), Plan.Parse(text, "some/folder/my.conf", Given.Sets("data.input=texts")).Data.Input);
    }

    [Fact]
    public void A_step_belongs_to_one_phase_and_the_phases_can_have_batches_of_their_own()
    {
        Plan plan = Given.Plan("", "phases=[{name=a,steps=3},{name=b,steps=2,batch{train-batch-size=12,micro-batch-size=1}}]");
        Assert.Equal(["a", "a", "a", "b", "b", "b"], Enumerable.Range(1, 6).Select(step => plan.PhaseAt(new Step(step)).Name));
        Assert.Equal(4, plan.PhaseAt(new Step(3)).Batch.VirtualWorldSize);
        Assert.Equal(12, plan.PhaseAt(new Step(4)).Batch.VirtualWorldSize);
        Assert.Equal(12 * 32, plan.PhaseAt(new Step(4)).Batch.TokensPerStep);
    }

    [Fact]
    public void A_plan_may_be_written_as_json_or_in_braces_or_with_carriage_returns()
    {
        const string json = """
            { "model": { "preset": "tiny" }, "batch": { "train-batch-size": 8, "micro-batch-size": 2, "sequence-length": 32 },
              "phases": [ { "steps": 60 } ], "optimizer": { "learning-rate": 0.003 } }
            """;
        Assert.Equal(Given.Plan(), Given.Parse(json));
        Assert.Equal(Given.Plan(), Given.Parse("\uFEFF" + Given.Smallest.Replace("\n", "\r\n", StringComparison.Ordinal)));
    }
}
