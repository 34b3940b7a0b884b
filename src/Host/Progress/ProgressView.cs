using System.Globalization;
using System.Text;

namespace ElasticTrain.Host.Progress;

/// <summary>
/// Shows a run's progress: on a terminal one line that is written over, elsewhere plain lines at a bounded rate and always the last step's. Notes are
/// lines of their own. May be called from any thread.
/// </summary>
/// <param name="output">Where to write.</param>
/// <param name="terminal">Whether that is a terminal.</param>
/// <param name="width">The terminal's width in columns, asked anew for each line.</param>
/// <param name="clock">The clock for rates.</param>
public sealed class ProgressView(TextWriter output, bool terminal, Func<int> width, TimeProvider clock)
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LiveInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly StepRate rate = new();
    private readonly long started = clock.GetTimestamp();
    private ProgressSample? latest;
    private ProgressSample? written;
    private TimeSpan? writtenAt;
    private bool lineOpen;

    /// <summary>On this process's standard output.</summary>
    public static ProgressView OnConsole()
    {
        bool terminal = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
        return new ProgressView(Console.Out, terminal, () => Console.WindowWidth, TimeProvider.System);
    }

    /// <summary>Shows where the run stands. Cheap enough for every step; most calls write nothing.</summary>
    public void Show(ProgressSample sample)
    {
        lock (gate)
        {
            TimeSpan now = clock.GetElapsedTime(started);
            if (latest is null || sample.Step != latest.Step) rate.Note(now, sample.Step);
            bool news = latest is null || sample.State != latest.State || (sample.Step >= sample.Steps && sample.Step != written?.Step);
            latest = sample;
            if (news || writtenAt is not { } at || now - at >= (terminal ? LiveInterval : PlainInterval)) Write(now);
        }
    }

    /// <summary>Tells something in a line of its own: workers waited for, the journal out of reach, a node lost.</summary>
    public void Note(string text)
    {
        lock (gate)
        {
            CloseLine(erase: true);
            output.WriteLine(text);
            output.Flush();
            if (terminal && written is not null) Write(clock.GetElapsedTime(started));
        }
    }

    /// <summary>The end: the last sample is shown if it was not, and the live line stays where it is.</summary>
    public void Complete()
    {
        lock (gate)
        {
            if (latest is not null && latest != written) Write(clock.GetElapsedTime(started));
            CloseLine(erase: false);
        }
    }

    /// <summary>The losses beside the main one, <c>  mtp 2.3450  balance 0.0123</c>, as far as the model has them.</summary>
    /// <param name="mtp">The prediction module's; 0 for none.</param>
    /// <param name="balance">The balance loss; 0 for none.</param>
    public static string SideLosses(double mtp, double balance) => Shown("mtp", mtp) + Shown("balance", balance);

    /// <summary>The line of a sample: <c>step 12/600  loss 2.3450  ppl 10.43  tokens/s 5120  lr 3.00e-04  grad 0.912  workers 3  eta 00:01:02</c>.</summary>
    /// <param name="sample">Where the run stands.</param>
    /// <param name="left">The time left, if known.</param>
    public static string Format(ProgressSample sample, TimeSpan? left)
    {
        var line = new StringBuilder();
        line.Append(CultureInfo.InvariantCulture, $"step {sample.Step}/{sample.Steps}");
        if (sample.Step > 0)
        {
            line.Append(CultureInfo.InvariantCulture, $"  loss {sample.Loss:0.0000}  ppl {Perplexity(sample.Loss)}{SideLosses(sample.MtpLoss, sample.BalanceLoss)}  tokens/s {sample.TokensPerSecond:0}");
            line.Append(CultureInfo.InvariantCulture, $"  lr {sample.LearningRate:0.00e+00}  grad {sample.GradientNorm:0.000}");
        }
        line.Append(CultureInfo.InvariantCulture, $"  workers {sample.Workers}");
        if (sample.State != "running") line.Append("  ").Append(sample.State);
        else if (left is { } time) line.Append(CultureInfo.InvariantCulture, $"  eta {(long)time.TotalHours:00}:{time.Minutes:00}:{time.Seconds:00}");
        return line.ToString();
    }

    private static string Shown(string name, double loss) => loss == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"  {name} {loss:0.0000}");

    private static string Perplexity(double loss)
    {
        double value = Math.Exp(loss);
        return value < 1e6 ? value.ToString("0.00", CultureInfo.InvariantCulture) : value.ToString("0.00e+00", CultureInfo.InvariantCulture);
    }

    private void Write(TimeSpan now)
    {
        string line = Format(latest!, rate.TimeFor(latest!.Steps - latest.Step));
        if (terminal)
        {
            // One column stays free: a full last column makes some terminals wrap, and then the line cannot be written over.
            int most = Math.Max(20, width() - 1);
            output.Write("\r" + (line.Length > most ? line[..most] : line) + "\u001b[K");
            lineOpen = true;
        }
        else
        {
            output.WriteLine(line);
        }
        output.Flush();
        written = latest;
        writtenAt = now;
    }

    private void CloseLine(bool erase)
    {
        if (!lineOpen) return;
        output.Write(erase ? "\r\u001b[K" : Environment.NewLine);
        output.Flush();
        lineOpen = false;
    }
}
