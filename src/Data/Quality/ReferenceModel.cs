using ElasticTrain.Core;

namespace ElasticTrain.Data.Quality;

/// <summary>The language model that a user names: its file, or text to learn it from.</summary>
public static class ReferenceModel
{
    /// <summary>Opens a model's file, or learns from a text file, JSON lines, or a folder of such files.</summary>
    /// <param name="path">What is there. Its file name is what the reference is called.</param>
    /// <param name="options">For learning; a model's file says for itself what it is.</param>
    /// <exception cref="BadInputException">Nothing usable is there.</exception>
    /// <exception cref="CorruptionException">A model's file is damaged.</exception>
    public static LanguageModel Open(string path, LanguageModelOptions options)
    {
        if (File.Exists(path) && LanguageModelFile.Is(path)) return LanguageModelFile.Load(path);
        var trainer = new LanguageModelTrainer(options);
        foreach (Document document in TextSource.Read(path)) trainer.Add(document.Text);
        return trainer.Train(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))));
    }
}
