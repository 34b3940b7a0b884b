using System.Runtime.Intrinsics;
using ElasticTrain.Kernels;

int parameters = args.Length > 0 ? int.Parse(args[0]) : 30_000_000, rounds = args.Length > 1 ? int.Parse(args[1]) : 15;
Console.WriteLine($"Vectors of {(Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)} bits, {Environment.ProcessorCount} processors.");
foreach (int threads in new[] { 1, 2 }) MemoryKernels.Run(parameters, rounds, threads);
MemoryKernels.RunReducer(parameters / 8, rounds);
Console.WriteLine("Data plane over loopback (payload bytes)");
await Loopback.RunAsync(length: 4_000_000, frames: 8, rounds);
