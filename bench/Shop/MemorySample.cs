namespace Bench;

/// <summary>Resident memory of each process after a number of orders.</summary>
internal sealed record MemorySample(int Orders, IReadOnlyDictionary<string, double> Megabytes);
