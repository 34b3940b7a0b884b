using System.Globalization;
using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;

namespace ElasticTrain.Lighthouse;

/// <summary>Akka's log, one line an event, to standard error: standard output carries only what the user asked for.</summary>
internal sealed class StandardErrorLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    public StandardErrorLogger()
    {
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(Write);
    }

    internal static void Write(LogEvent e)
    {
        string time = e.Timestamp.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        string level = e.LogLevel() switch
        {
            LogLevel.ErrorLevel => "error",
            LogLevel.WarningLevel => "warning",
            LogLevel.InfoLevel => "info",
            _ => "debug",
        };
        Console.Error.WriteLine($"{time} {level} {e.LogSource}: {e.Message}");
        if (e.Cause is { } cause) Console.Error.WriteLine(cause);
    }
}

/// <summary>The same for the time before and after the logging actors live.</summary>
internal sealed class StandardErrorMinimalLogger : MinimalLogger
{
    protected override void Log(object message)
    {
        if (message is LogEvent e) StandardErrorLogger.Write(e);
        else Console.Error.WriteLine(message);
    }
}
