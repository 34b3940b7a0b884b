using System.Text.Json;
using ElasticTrain.Host.Control;

namespace ElasticTrain.Host.Progress;

/// <summary>Shows the progress of a run whose nodes are other processes, as the launcher does: it asks them over the control channel.</summary>
public static class RemoteProgress
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Asks and shows until cancelled. While no node answers it shows nothing new.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="view">Where to show it.</param>
    /// <param name="ct">Ends it.</param>
    public static async Task FollowAsync(string runDirectory, ProgressView view, CancellationToken ct)
    {
        var shown = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            while (true)
            {
                ControlReply? reply = await ControlClient.SendAsync(runDirectory, ControlRequest.New(ProgressBoard.Command), Patience, ct);
                if (reply is { Ok: true, Result: { } result } && result.Deserialize<ProgressReport>(ControlJson.Options) is { } report)
                {
                    foreach (ProgressNote note in report.Notes)
                        if (shown.Add(note.Id)) view.Note(note.Text);
                    if (report.Sample is { } sample) view.Show(sample);
                }
                await Task.Delay(Interval, ct);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The way to end it.
        }
    }
}
