namespace ElasticTrain.Model.Network;

/// <summary>
/// The permutation that brings each expert's tokens together: a stable counting sort of the (token, choice) pairs by expert. Rows of one expert
/// are in token order; both ways across the permutation are gathers, so that no addition depends on the order of writes.
/// </summary>
internal sealed class ExpertDispatch
{
    private readonly int[] _ends;

    /// <summary>Sorts the choices.</summary>
    /// <param name="experts">The expert of each (token, choice), row-major [N, k].</param>
    /// <param name="chosen">Choices per token, k.</param>
    /// <param name="expertCount">Number of experts.</param>
    internal ExpertDispatch(int[] experts, int chosen, int expertCount)
    {
        _ends = new int[expertCount + 1];
        foreach (int expert in experts) _ends[expert + 1]++;
        for (int e = 0; e < expertCount; e++) _ends[e + 1] += _ends[e];
        int[] next = _ends[..expertCount];
        TokenOfRow = new int[experts.Length];
        RowOfChoice = new int[experts.Length];
        for (int choice = 0; choice < experts.Length; choice++)
        {
            int row = next[experts[choice]]++;
            TokenOfRow[row] = choice / chosen;
            RowOfChoice[choice] = row;
        }
    }

    /// <summary>The token that each sorted row belongs to.</summary>
    internal int[] TokenOfRow { get; }

    /// <summary>The sorted row of each (token, choice).</summary>
    internal int[] RowOfChoice { get; }

    /// <summary>The sorted rows of an expert: [First, First + Count).</summary>
    internal (int First, int Count) Rows(int expert) => (_ends[expert], _ends[expert + 1] - _ends[expert]);
}
