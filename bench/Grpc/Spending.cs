using System.Diagnostics;

namespace Bench;

internal static class Spending
{
    public static Spent Now(bool collect) => new()
    {
        CpuMicroseconds = Process.GetCurrentProcess().TotalProcessorTime.TotalMicroseconds,
        AllocatedBytes = GC.GetTotalAllocatedBytes(precise: true),
        LiveBytes = collect ? GC.GetTotalMemory(forceFullCollection: true) : 0,
    };
}
