using System.Globalization;
using ElasticTrain.Actors.Checkpoints;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Core;
using ElasticTrain.Data;
using ElasticTrain.Host.Nodes;
using ElasticTrain.Model;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Host.Commands;

/// <summary>What a newcomer sees when a run has finished: held-out bits per byte beside a trigram model's, a line of generated text, and what to try next.</summary>
/// <param name="session">The run.</param>
public sealed class FinalReport(RunSession session)
{
    private const long HeldOutTokens = 100_000;
    private const int SampleLength = 200;
    private const string Prompt = "Represents a ";

    /// <summary>Writes the report on the final state.</summary>
    /// <param name="manifest">The final checkpoint.</param>
    /// <param name="output">Where to.</param>
    public void Write(CheckpointManifest manifest, TextWriter output)
    {
        var definition = session.Definition;
        TorchRuntime.BindThread();
        using NativeBuffer parameters = RunWeights.Read(definition, manifest);
        using var model = new ModelReplica(definition.Layout, parameters, definition.Plan.Numerics.Compute);
        var text = new ValidationText(definition.Corpus.Validation, HeldOutTokens);
        double nats = 0;
        foreach (var batch in text.Batches(definition.Plan.Batch.SequenceLength, 8)) nats += model.SumLoss(batch);
        double ours = BitsPerByte.FromLoss(nats, text.TargetBytes);
        double trigram = ByteTrigram.Train(definition.Corpus.Train).BitsPerByte(definition.Corpus.Validation, HeldOutTokens);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"held-out text: {ours:0.000} bits per byte; an interpolated byte trigram model trained on the same text: {trigram:0.000} ({(1 - (ours / trigram)) * 100:+0.0;-0.0} % fewer)"));
        int[] prompt = ByteTokenizer.Encode(Prompt);
        int[] sample = model.Generate(prompt, SampleLength, 0.7, definition.Plan.Seed);
        // A vocabulary may be larger than the tokenizer's; what stands beyond it has no text.
        string line = ByteTokenizer.Decode([.. sample.Where(token => token < ByteTokenizer.VocabSize)]);
        output.WriteLine($"it writes: {Prompt}{line.ReplaceLineEndings(" ")}");
    }

    /// <summary>The final checkpoint; null when none is sealed or it does not verify.</summary>
    public CheckpointManifest? Find(Lineage version) =>
        session.Definition.Checkpoints.Manifests(out _).FirstOrDefault(m => m.Version == version);
}
