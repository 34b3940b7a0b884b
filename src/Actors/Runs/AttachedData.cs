using ElasticTrain.Actors.Plans;
using ElasticTrain.Data;

namespace ElasticTrain.Actors.Runs;

/// <summary>Where data that are attached to a run later lie: in its folder, each under its content, or wherever they were prepared.</summary>
public static class AttachedData
{
    private const string FolderName = "attached";

    /// <summary>Makes the path of prepared data out of what an operator names: a folder of prepared data is taken as it is, text is prepared in the run's folder.</summary>
    /// <param name="folder">The run.</param>
    /// <param name="plan">Its plan: text is split as the run's own was.</param>
    /// <param name="input">A file or folder of text, or a folder of prepared data (such as another run's <c>data</c>).</param>
    /// <returns>Relative to the run's folder where it lies inside, so that a run can be moved; otherwise absolute.</returns>
    /// <exception cref="Core.BadInputException">The input cannot be used.</exception>
    public static string Prepare(RunFolder folder, Plan plan, string input)
    {
        string path = Path.GetFullPath(input);
        return Relative(folder, Corpus.IsPrepared(path) ? path : PrepareText(folder, plan, path));
    }

    private static string PrepareText(RunFolder folder, Plan plan, string input)
    {
        string attached = Path.Combine(folder.Directory, FolderName), work = Path.Combine(attached, $"unfinished-{Guid.NewGuid():N}");
        try
        {
            string content;
            using (var corpus = Corpus.PrepareOrOpen(work, new CorpusOptions(input, plan.Data.ValidationShare, plan.Seed, plan.Data.MaxBytes))) content = corpus.ContentHash.Short;
            string place = Path.Combine(attached, content);
            // The same content is there already, perhaps in use: it stays. A damaged copy is found when the run reads it whole.
            if (!Directory.Exists(place)) Directory.Move(work, place);
            return place;
        }
        finally
        {
            if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
        }
    }

    private static string Relative(RunFolder folder, string path)
    {
        string relative = Path.GetRelativePath(folder.Directory, path);
        return Path.IsPathRooted(relative) || relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }
}
