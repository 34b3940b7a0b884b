using ElasticTrain.Core;
using ElasticTrain.Model;

namespace ElasticTrain.Actors.Plans;

/// <summary>The words that stand in a plan for the values of its enumerations, both ways.</summary>
internal static class Words
{
    internal static readonly (string Word, OptimizerKind Value)[] Optimizers = [("adamw", OptimizerKind.AdamW)];

    internal static readonly (string Word, ScheduleKind Value)[] Schedules =
        [("constant", ScheduleKind.Constant), ("cosine", ScheduleKind.Cosine), ("linear", ScheduleKind.Linear)];

    internal static readonly (string Word, DatabaseProvider Value)[] Journals =
        [("sqlite", DatabaseProvider.Sqlite), ("postgresql", DatabaseProvider.PostgreSql)];

    internal static readonly (string Word, DeviceKind Value)[] Devices = [("cpu", DeviceKind.Cpu), ("cuda", DeviceKind.Cuda)];

    internal static readonly (string Word, ComputeKind Value)[] Computes = [("fp32", ComputeKind.Fp32), ("bf16", ComputeKind.Bf16)];

    internal static readonly (string Word, NumericsMode Value)[] Modes =
        [("strict", NumericsMode.Strict), ("tolerant", NumericsMode.Tolerant)];

    internal static readonly (string Word, FreezePolicyKind Value)[] FreezePolicies =
        [("none", FreezePolicyKind.None), ("schedule", FreezePolicyKind.Schedule), ("plateau", FreezePolicyKind.Plateau), ("similarity", FreezePolicyKind.Similarity)];

    /// <summary>Whether frozen shards lose their moments.</summary>
    internal static readonly (string Word, bool Value)[] Moments = [("keep", false), ("drop", true)];

    internal static string Of<T>((string Word, T Value)[] words, T value) =>
        words.First(word => EqualityComparer<T>.Default.Equals(word.Value, value)).Word;
}
