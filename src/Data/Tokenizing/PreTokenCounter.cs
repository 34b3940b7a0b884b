using System.Runtime.ExceptionServices;
using System.Text.Unicode;

namespace ElasticTrain.Data;

/// <summary>Counts the pre-tokens of documents on several threads. The counts are sums, and their order is that of the bytes: nothing depends on who counted what.</summary>
internal sealed class PreTokenCounter(PreTokenization rules, int threads, long maxBytes, string temporaryFolder)
{
    private long _documents, _textBytes, _preTokens;

    internal long Documents => _documents;

    internal long TextBytes => _textBytes;

    /// <summary>Pre-tokens, each as often as it comes.</summary>
    internal long PreTokens => _preTokens;

    /// <summary>Tables that were written to the temporary folder.</summary>
    internal int Spilled { get; private set; }

    /// <summary>Counts, and calls back for each distinct pre-token in the order of the bytes.</summary>
    /// <exception cref="ArgumentException">A document is no UTF-8.</exception>
    internal void Count(IEnumerable<ReadOnlyMemory<byte>> documents, CountedToken take, CancellationToken stop)
    {
        using var spills = new RunFiles(temporaryFolder);
        var tables = new PreTokenTable[threads];
        for (int i = 0; i < threads; i++) tables[i] = new PreTokenTable(maxBytes / threads);
        using (IEnumerator<ReadOnlyMemory<byte>> source = documents.GetEnumerator())
        {
            var turn = new Lock();
            RunOnThreads((thread, cancelled) =>
            {
                var scanner = new PreTokenScanner(rules);
                (long texts, long bytes, long pieces) = (0, 0, 0);
                while (Next(source, turn, out ReadOnlyMemory<byte> document))
                {
                    cancelled.ThrowIfCancellationRequested();
                    texts++;
                    bytes += document.Length;
                    pieces += Add(document.Span, scanner, tables[thread], spills, cancelled);
                }
                Interlocked.Add(ref _documents, texts);
                Interlocked.Add(ref _textBytes, bytes);
                Interlocked.Add(ref _preTokens, pieces);
            }, stop);
        }
        Spilled = spills.Spilled;
        CountedRun.Merge([.. spills.Runs(), .. tables.Select(table => new TableRun(table))], take, stop);
    }

    private static bool Next(IEnumerator<ReadOnlyMemory<byte>> source, Lock turn, out ReadOnlyMemory<byte> document)
    {
        lock (turn)
        {
            bool isOne = source.MoveNext();
            document = isOne ? source.Current : default;
            return isOne;
        }
    }

    private static int Add(ReadOnlySpan<byte> text, PreTokenScanner scanner, PreTokenTable table, RunFiles spills, CancellationToken stop)
    {
        if (!Utf8.IsValid(text)) throw new ArgumentException("A document is no UTF-8.", nameof(text));
        ReadOnlySpan<int> ends = scanner.Scan(text);
        int start = 0;
        foreach (int end in ends)
        {
            ReadOnlySpan<byte> token = text[start..end];
            start = end;
            if (table.TryAdd(token, 1)) continue;
            spills.Add(table, stop);
            table.Clear();
            table.TryAdd(token, 1);
        }
        return ends.Length;
    }

    /// <summary>Runs to the end on all threads; after an error on one the others stop, and it is thrown here.</summary>
    private void RunOnThreads(Action<int, CancellationToken> work, CancellationToken stop)
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(stop);
        ExceptionDispatchInfo? first = null;
        Task[] tasks = [.. Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(() =>
        {
            try
            {
                work(thread, cancel.Token);
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref first, ExceptionDispatchInfo.Capture(error), null);
                cancel.Cancel();
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task.WaitAll(tasks, CancellationToken.None);
        first?.Throw();
    }
}
