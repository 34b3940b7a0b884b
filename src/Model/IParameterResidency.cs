namespace ElasticTrain.Model;

/// <summary>
/// What a pass says about the parameters that it needs, so that the others need not be in memory (ZeRO-3 with parameters elsewhere: Rajbhandari et al.,
/// arXiv:1910.02054, and arXiv:2104.07857). One device, one thread; it uses one segment of <see cref="ParameterLayout.Segments"/> at a time, so that no two
/// devices ever wait for what the other holds.
/// </summary>
public interface IParameterResidency
{
    /// <summary>Names the segments of the coming pass.</summary>
    /// <param name="route">Their indices in the order in which they are entered; one that is entered again appears again.</param>
    void Begin(IReadOnlyList<int> route);

    /// <summary>Gives up the segment entered before and returns when the next one of the route is in memory. To enter the same one again changes nothing.</summary>
    /// <param name="segment">Its index.</param>
    /// <exception cref="OperationCanceledException">Nobody wants the pass's result any more.</exception>
    void Enter(int segment);

    /// <summary>Gives up the segment entered last: the pass needs no parameters any more. A pass that fails does not come here.</summary>
    void End();
}
