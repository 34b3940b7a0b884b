using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>
/// A part of a checkpoint could not be written: a full disk, a folder without permission. Nothing of it is left behind, and earlier
/// checkpoints are untouched.
/// </summary>
/// <param name="path">The file that was to be written.</param>
/// <param name="bytes">Bytes it needs.</param>
/// <param name="inner">The cause.</param>
public sealed class CheckpointWriteException(string path, long bytes, Exception inner)
    : ElasticTrainException($"{path}: the checkpoint needs {bytes} bytes there and cannot be written: {inner.Message}", inner)
{
    /// <summary>The file that was to be written.</summary>
    public string Path { get; } = path;

    /// <summary>Bytes it needs.</summary>
    public long Bytes { get; } = bytes;
}
