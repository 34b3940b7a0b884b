namespace ElasticTrain.Core;

/// <summary>The root of every error that this project raises on purpose. Its message is written for the user.</summary>
/// <param name="message">What happened, in one or a few lines.</param>
/// <param name="inner">The cause, if another exception is one.</param>
public class ElasticTrainException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Input that cannot be used: a plan, a file, an argument. The command ends with exit code 2 and nothing is changed.</summary>
/// <param name="where">The file, and inside it the path, line or offset.</param>
/// <param name="found">What stands there.</param>
/// <param name="expected">What should stand there.</param>
/// <param name="inner">The cause, if another exception is one.</param>
public sealed class BadInputException(string where, string found, string expected, Exception? inner = null)
    : ElasticTrainException($"{where}: found {Shown(found)}, expected {expected}", inner)
{
    /// <summary>A file of many megabytes may stand where a number should.</summary>
    private const int MostShown = 500;

    private readonly IReadOnlyList<BadInputException>? _problems;

    /// <summary>Several things wrong with one input, reported at once; the message holds a line for each.</summary>
    /// <param name="problems">At least one problem, in the order in which the user should read them.</param>
    public BadInputException(IReadOnlyList<BadInputException> problems)
        : this(problems[0].Where, problems[0].Found, problems[0].Expected, problems[0].InnerException) => _problems = problems;

    /// <summary>The file, and inside it the path, line or offset (of the first problem, if there are several).</summary>
    public string Where { get; } = where;

    /// <summary>What stands there.</summary>
    public string Found { get; } = Shown(found);

    /// <summary>What should stand there.</summary>
    public string Expected { get; } = expected;

    /// <summary>Everything that is wrong: this error alone, or each of several.</summary>
    public IReadOnlyList<BadInputException> Problems => _problems ?? [this];

    /// <inheritdoc/>
    public override string Message => _problems is null ? base.Message : string.Join('\n', _problems.Select(problem => problem.Message));

    private static string Shown(string found) => found.Length <= MostShown ? found : $"{found[..MostShown]}... ({found.Length} characters)";
}

/// <summary>A stored artefact (checkpoint blob, manifest, token shard, frame) whose content is not what its hash or length says.</summary>
/// <param name="where">The file or connection.</param>
/// <param name="found">What was read.</param>
/// <param name="expected">What was promised.</param>
public sealed class CorruptionException(string where, string found, string expected)
    : ElasticTrainException($"{where} is corrupt: found {found}, expected {expected}")
{
    /// <summary>The file or connection.</summary>
    public string Where { get; } = where;

    /// <summary>What was read.</summary>
    public string Found { get; } = found;

    /// <summary>What was promised.</summary>
    public string Expected { get; } = expected;
}
