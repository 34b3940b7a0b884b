using System.Runtime.InteropServices;
using ElasticTrain.Core;
using ElasticTrain.Model.Torch;

namespace ElasticTrain.Model.Tests;

public sealed class TorchLoadingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("torch-loading-").FullName;

    [Fact]
    public void A_libtorch_folder_that_does_not_exist_gives_one_clear_line()
    {
        string wrong = Path.Combine(_folder, "nowhere");
        var error = Assert.Throws<BadInputException>(() => LibTorchFolder.Locate(wrong));
        Assert.Equal($"ELASTICTRAIN_LIBTORCH={wrong}: found no such folder, expected a libtorch 2.10.0 folder with libc10.so, libtorch_cpu.so, libtorch.so", error.Message);
    }

    [Fact]
    public void A_libtorch_folder_with_missing_files_is_refused_with_their_names()
    {
        File.WriteAllText(Path.Combine(_folder, "libc10.so"), "");
        var error = Assert.Throws<BadInputException>(() => LibTorchFolder.Locate(_folder));
        Assert.Equal("a folder without libtorch_cpu.so, libtorch.so", error.Found);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_chosen_folder_is_used_and_the_bridge_comes_from_the_program_when_the_folder_has_none()
    {
        LibTorchFolder usual = LibTorchFolder.Locate(null);
        foreach (string file in LibTorchFolder.TorchFiles) File.CreateSymbolicLink(Path.Combine(_folder, file), Path.Combine(usual.Torch, file));
        Assert.Equal(new LibTorchFolder(_folder, usual.Bridge), LibTorchFolder.Locate(_folder));
    }

    [Fact]
    public void The_patched_copy_loads_with_the_libstdcxx_of_this_system()
    {
        TorchRuntime.Initialize(); // brings in libtorch, which the copy needs
        string path = PatchedBridge.Cached(LibTorchFolder.Locate(null).Bridge, _folder);
        nint handle = NativeLibrary.Load(path);
        Assert.NotEqual(0, NativeLibrary.GetExport(handle, "THSTensor_new"));
    }

    [Fact]
    public void The_patch_changes_a_few_bytes_and_only_once()
    {
        string bridge = LibTorchFolder.Locate(null).Bridge;
        byte[] source = File.ReadAllBytes(bridge), patched = ElfVersionPatch.Apply(source, bridge);
        Assert.Equal(source.Length, patched.Length);
        Assert.InRange(source.Zip(patched).Count(pair => pair.First != pair.Second), 3, 8);
        Assert.Throws<CorruptionException>(() => ElfVersionPatch.Apply(patched, bridge)); // the marker is gone
    }

    [Fact]
    public void A_damaged_cached_copy_is_written_again()
    {
        string bridge = LibTorchFolder.Locate(null).Bridge, path = PatchedBridge.Cached(bridge, _folder);
        Digest256 good = Digest256.Of(File.ReadAllBytes(path));
        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Equal(path, PatchedBridge.Cached(bridge, _folder));
        Assert.Equal(good, Digest256.Of(File.ReadAllBytes(path)));
        Assert.Contains(Digest256.Of(File.ReadAllBytes(bridge)).ToString(), Path.GetFileName(path));
    }

    [Fact]
    public async Task Many_starts_at_once_leave_one_good_copy()
    {
        string bridge = LibTorchFolder.Locate(null).Bridge;
        string[] paths = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => PatchedBridge.Cached(bridge, _folder))));
        Assert.Single(paths.Distinct());
        Assert.Equal(paths.Distinct(), Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_file_that_is_no_library_is_refused()
    {
        Assert.Throws<CorruptionException>(() => ElfVersionPatch.Apply("no library"u8, "x"));
        byte[] truncated = File.ReadAllBytes(LibTorchFolder.Locate(null).Bridge)[..4096];
        Assert.Throws<CorruptionException>(() => ElfVersionPatch.Apply(truncated, "x"));
    }

    [Fact]
    public void Native_code_sees_the_settings()
    {
        TorchRuntime.Initialize();
        Assert.Equal("AVX2", Marshal.PtrToStringUTF8(getenv("MKL_CBWR")));
        Assert.Equal("1", Marshal.PtrToStringUTF8(getenv("OMP_NUM_THREADS")));
        TorchRuntime.BindThread();
        Assert.Equal(1, TorchSharp.torch.get_num_threads());
    }

    [Fact]
    public void A_new_thread_computes_with_one_thread_of_its_own()
    {
        int found = 0;
        var thread = new Thread(() =>
        {
            TorchRuntime.BindThread();
            found = TorchSharp.torch.get_num_threads();
        });
        thread.Start();
        thread.Join();
        Assert.Equal(1, found);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [DllImport("libc")]
    private static extern nint getenv([MarshalAs(UnmanagedType.LPUTF8Str)] string name);
}
