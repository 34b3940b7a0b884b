// Each fact starts several processes; side by side they would starve each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
