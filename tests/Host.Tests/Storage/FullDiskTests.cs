using System.Diagnostics;
using ElasticTrain.Actors.Runs;
using ElasticTrain.Host.Tests.Harness;
using TestFolder = ElasticTrain.Host.Tests.Harness.RunFolder;

namespace ElasticTrain.Host.Tests.Storage;

[Collection(SmallRunsCollection.Name)]
public sealed class FullDiskTests(SmallRuns runs)
{
    [SkippableFact]
    public async Task A_full_disk_fails_checkpoints_but_never_the_training()
    {
        using SmallDisk disk = SmallDisk.MountOrSkip();
        using var run = new TestFolder();
        using ProcessUnderTest train = runs.Train(run, "--set", $"checkpoint.directory={disk.Path}");
        var before = (await SmallRuns.WaitForAsync(run, train, s => s.Seals.Count > 0, "the first checkpoint")).Seals[^1];
        disk.Fill();
        await Wait.UntilAsync(() => Failures(run).Count > 0, "a failed checkpoint", TimeSpan.FromMinutes(1), () => train.Output);
        var state = SmallRuns.State(run);
        Assert.Equal(before.State, state.Seals[^1].State);
        Assert.True(Directory.GetFiles(disk.Path, "*.json", SearchOption.AllDirectories).Length > 0, "the checkpoint before is gone");
        disk.MakeRoom();
        Assert.True(await train.WaitForExitAsync(TimeSpan.FromMinutes(2)) == 0, train.Output);
        CheckpointFailed failed = Failures(run)[0];
        string line = Assert.Single(train.Lines, l => l.Contains($"the checkpoint of step {failed.Step} could not be written", StringComparison.Ordinal));
        Assert.Contains(disk.Path, line);
        Assert.Contains("No space left", line);
        await runs.AssertSameAsync(run);
    }

    [SkippableFact]
    public async Task A_disk_full_at_the_end_fails_the_command_and_loses_nothing()
    {
        using SmallDisk disk = SmallDisk.MountOrSkip();
        using var run = new TestFolder();
        string[] elsewhere = ["--set", $"checkpoint.directory={disk.Path}"];
        using (ProcessUnderTest train = runs.Train(run, elsewhere))
        {
            await SmallRuns.WaitForAsync(run, train, s => s.Seals.Count > 0, "the first checkpoint");
            disk.Fill();
            Assert.True(await train.WaitForExitAsync(TimeSpan.FromMinutes(2)) == 1, train.Output);
            Assert.Contains("the last checkpoint could not be written", train.Output);
            Assert.Contains("No space left", train.Output);
            Assert.Contains("Nothing is lost", train.Output);
        }
        var state = SmallRuns.State(run);
        Assert.Equal(SmallRuns.Steps, state.Committed.Count);
        Assert.Null(state.Finished);
        disk.MakeRoom();
        await runs.FinishAsync(run, elsewhere);
        await runs.AssertSameAsync(run);
    }

    private static List<CheckpointFailed> Failures(string run) => [.. SmallRuns.Events(run).OfType<CheckpointFailed>()];

    /// <summary>A file system of its own with little room.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string filler;

        private SmallDisk(string path)
        {
            Path = path;
            filler = System.IO.Path.Combine(path, "filler");
        }

        public string Path { get; }

        public static SmallDisk MountOrSkip()
        {
            Skip.IfNot(OperatingSystem.IsLinux(), "a small file system is mounted on Linux only");
            string path = Directory.CreateTempSubdirectory("elastictrain-disk-").FullName;
            var (code, error) = Run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path);
            if (code == 0) return new SmallDisk(path);
            Directory.Delete(path);
            Skip.If(true, $"a small tmpfs cannot be mounted here (this needs root): {error}");
            throw new InvalidOperationException();
        }

        public void Fill()
        {
            try
            {
                using var file = new FileStream(filler, FileMode.Append, FileAccess.Write, FileShare.None, 0);
                byte[] page = new byte[4096];
                while (true) file.Write(page);
            }
            catch (IOException)
            {
                // Full: this is what it is for.
            }
        }

        public void MakeRoom() => File.Delete(filler);

        public void Dispose()
        {
            // Lazily: a process that a failed test left behind may still have a file open there.
            Run("umount", "-l", Path);
            Directory.Delete(Path);
        }

        private static (int Code, string Error) Run(string file, params string[] arguments)
        {
            using Process process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardError = true })!;
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, error.Trim());
        }
    }
}
