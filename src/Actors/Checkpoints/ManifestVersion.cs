using ElasticTrain.Core;

namespace ElasticTrain.Actors.Checkpoints;

/// <summary>Names a manifest's version.</summary>
public static class ManifestVersion
{
    extension(CheckpointManifest manifest)
    {
        /// <summary>The version that the checkpoint holds.</summary>
        public Lineage Version => new(manifest.Step, manifest.Lineage);
    }
}
