using ElasticTrain.Host.Progress;

namespace ElasticTrain.Host.Tests.Progress;

public class ProgressViewTests
{
    private readonly ManualTime time = new();
    private readonly StringWriter output = new() { NewLine = "\n" };

    [Fact]
    public void A_plain_line_holds_the_figures_in_a_form_that_scripts_can_read()
    {
        string line = ProgressView.Format(Sample(12), TimeSpan.FromSeconds(62));
        Assert.Equal("step 12/600  loss 2.3450  ppl 10.43  tokens/s 5120  lr 3.00e-04  grad 0.912  workers 3  eta 00:01:02", line);
    }

    [Fact]
    public void Losses_beside_the_main_one_are_shown_if_the_model_has_them()
    {
        Assert.Contains("ppl 10.43  mtp 2.5000  balance 0.0123  tokens/s", ProgressView.Format(Sample(12) with { MtpLoss = 2.5, BalanceLoss = 0.0123 }, null), StringComparison.Ordinal);
        Assert.Contains("ppl 10.43  mtp NaN  tokens/s", ProgressView.Format(Sample(12) with { MtpLoss = double.NaN }, null), StringComparison.Ordinal);
    }

    [Fact]
    public void Before_the_first_step_there_are_no_figures_to_show()
    {
        Assert.Equal("step 0/600  workers 0  waiting", ProgressView.Format(new ProgressSample(0, 600, double.NaN, 0, 0, 0, 0, "waiting"), null));
    }

    [Fact]
    public void A_loss_that_blew_up_is_still_shown()
    {
        Assert.Contains("loss NaN  ppl NaN", ProgressView.Format(Sample(3) with { Loss = double.NaN }, null), StringComparison.Ordinal);
        Assert.Contains("ppl 2.69e+43", ProgressView.Format(Sample(3) with { Loss = 100 }, null), StringComparison.Ordinal);
    }

    [Fact]
    public void Plain_output_is_thinned_out_but_never_lacks_the_last_step()
    {
        ProgressView view = View(terminal: false);
        for (int step = 1; step <= 600; step++)
        {
            view.Show(Sample(step));
            time.Advance(TimeSpan.FromMilliseconds(10));
        }
        view.Complete();
        string[] lines = Lines();
        Assert.Equal(["step 1/600", "step 201/600", "step 401/600", "step 600/600"], lines.Select(l => l.Split("  ")[0]));
    }

    [Fact]
    public void An_interrupted_run_shows_the_step_that_it_reached()
    {
        ProgressView view = View(terminal: false);
        view.Show(Sample(1));
        view.Show(Sample(2));
        view.Complete();
        Assert.Equal(["step 1/600", "step 2/600"], Lines().Select(l => l.Split("  ")[0]));
    }

    [Fact]
    public void A_change_of_state_shows_at_once()
    {
        ProgressView view = View(terminal: false);
        view.Show(Sample(1));
        view.Show(Sample(1) with { State = "waiting" });
        Assert.EndsWith("workers 3  waiting", Lines()[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Notes_are_lines_of_their_own_and_the_live_line_comes_back_below_them()
    {
        ProgressView view = View(terminal: true);
        view.Show(Sample(1));
        view.Note("node-2 lost");
        view.Complete();
        string text = output.ToString();
        Assert.Contains("\r\u001b[Knode-2 lost\n\rstep 1/600", text, StringComparison.Ordinal);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_live_line_never_wraps()
    {
        var view = new ProgressView(output, true, () => 40, time);
        view.Show(Sample(1));
        Assert.Equal("\rstep 1/600  loss 2.3450  ppl 10.43  tok\u001b[K", output.ToString());
    }

    [Fact]
    public void The_time_left_follows_the_rate_and_survives_a_resume()
    {
        ProgressView view = View(terminal: false);
        view.Show(Sample(100));
        time.Advance(TimeSpan.FromSeconds(10));
        view.Show(Sample(110));
        Assert.EndsWith("eta 00:08:10", Lines()[^1], StringComparison.Ordinal);
        time.Advance(TimeSpan.FromSeconds(10));
        view.Show(Sample(50));
        time.Advance(TimeSpan.FromSeconds(10));
        view.Show(Sample(100));
        Assert.EndsWith("eta 00:01:40", Lines()[^1], StringComparison.Ordinal);
    }

    private static ProgressSample Sample(long step) => new(step, 600, 2.345, 5120, 3e-4, 0.912, 3, "running");

    private ProgressView View(bool terminal) => new(output, terminal, () => 200, time);

    private string[] Lines() => output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private sealed class ManualTime : TimeProvider
    {
        private long ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => ticks;

        public void Advance(TimeSpan by) => ticks += by.Ticks;
    }
}
