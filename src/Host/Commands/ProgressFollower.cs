using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Progress;

namespace ElasticTrain.Host.Commands;

/// <summary>Shows a run's progress from one status after another, wherever they come from.</summary>
/// <param name="view">The view.</param>
/// <param name="interval">Time between questions.</param>
public sealed class ProgressFollower(ProgressView view, TimeSpan interval)
{
    private long _lastNote;
    private string _lastWait = "";

    /// <summary>Asks and shows until it is told to end.</summary>
    /// <param name="ask">Gives the status; when the coordinator does not answer, the reason if one is known.</param>
    /// <param name="ct">Ends it after one last question.</param>
    public async Task FollowAsync(Func<Task<(RunStatus? Status, string? Reason)>> ask, CancellationToken ct)
    {
        while (true)
        {
            bool last = ct.IsCancellationRequested;
            var (status, reason) = await ask().ConfigureAwait(false);
            if (status is not null) Show(status);
            else if (reason is not null) Wait(reason);
            if (last) break;
            await Task.Delay(interval, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        view.Complete();
    }

    private void Wait(string reason)
    {
        if (reason != _lastWait) view.Note(reason);
        _lastWait = reason;
    }

    private void Show(RunStatus status)
    {
        foreach (var note in status.Notes.Where(n => n.Number > _lastNote))
        {
            view.Note(note.Text);
            _lastNote = note.Number;
        }
        if (status.State == "waiting") Wait(status.Detail);
        else _lastWait = "";
        view.Show(new ProgressSample(
            status.Step, status.Steps, status.Loss, status.TokensPerSecond, status.LearningRate, status.GradientNorm, status.Workers.Count, status.State)
        {
            MtpLoss = status.MtpLoss,
            BalanceLoss = status.BalanceLoss,
        });
    }
}
