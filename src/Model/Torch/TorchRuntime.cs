using System.Runtime.InteropServices;
using ElasticTrain.Core;
using TorchSharp;

namespace ElasticTrain.Model.Torch;

/// <summary>
/// Loads libtorch once per process, in the way that keeps results reproducible, before anything touches TorchSharp. Everything in this
/// assembly that uses torch calls <see cref="Initialize"/> itself; calling it early only moves the quarter of a second that loading takes.
/// </summary>
public static partial class TorchRuntime
{
    private static readonly Lock Gate = new();
    private static bool _ready;
    private static nint _bridge;
    [ThreadStatic] private static bool _bound;

    /// <summary>Loads the native libraries. Idempotent and thread-safe.</summary>
    /// <exception cref="BadInputException">No usable libtorch folder; the message names the missing files.</exception>
    public static void Initialize()
    {
        if (Volatile.Read(ref _ready)) return;
        lock (Gate)
        {
            if (_ready) return;
            SetEnvironment();
            if (LibTorchFolder.IsSupported)
            {
                LibTorchFolder folder = LibTorchFolder.Locate();
                // TorchSharp asks for these libraries by bare name, and the dynamic linker answers with what is loaded under that SONAME.
                foreach (string file in LibTorchFolder.TorchFiles) NativeLibrary.Load(Path.Combine(folder.Torch, file));
                _bridge = NativeLibrary.Load(PatchedBridge.PathFor(folder.Bridge));
            }
            else _bridge = NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, null);
            torch.InitializeDeviceType(DeviceType.CPU);
            Volatile.Write(ref _ready, true);
        }
    }

    /// <summary>
    /// Makes the calling thread a compute thread: one intra-op thread, so that no reduction order depends on the machine's cores. Call it at
    /// the start of every thread that computes; torch keeps the number per thread.
    /// </summary>
    public static void BindThread()
    {
        Initialize();
        if (_bound) return;
        torch.set_num_threads(1);
        _bound = true;
    }

    /// <summary>A function of TorchSharp's native half.</summary>
    internal static nint Export(string name)
    {
        Initialize();
        return NativeLibrary.GetExport(_bridge, name);
    }

    /// <summary>
    /// Settings that the native code reads from its environment when it is loaded. Environment.SetEnvironmentVariable does not reach native
    /// code on Unix, so the C library is called. MKL_CBWR fixes one code path, so that neither alignment nor thread count selects another.
    /// </summary>
    private static void SetEnvironment()
    {
        if (OperatingSystem.IsWindows())
        {
            Environment.SetEnvironmentVariable("MKL_CBWR", "AVX2");
            Environment.SetEnvironmentVariable("OMP_NUM_THREADS", "1");
            return;
        }
        _ = setenv("MKL_CBWR", "AVX2", 1);
        _ = setenv("OMP_NUM_THREADS", "1", 1);
        if (!OperatingSystem.IsLinux()) return;
        // glibc would return activations to the kernel after every micro-batch and fault them in again: M_TRIM_THRESHOLD and M_MMAP_THRESHOLD.
        _ = mallopt(-1, int.MaxValue);
        _ = mallopt(-3, 1 << 30);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
