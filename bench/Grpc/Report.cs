namespace Bench;

internal static class Report
{
    public static void Print(IEnumerable<Cost> costs, Growth growth)
    {
        Console.WriteLine($"{"",-34}{"per second",12}{"µs client",12}{"µs server",12}{"B client",12}{"B server",12}");
        foreach (var cost in costs)
        {
            Console.WriteLine(
                $"{cost.Load,-34}{cost.PerSecond,12:N0}{cost.ClientCpu,12:N1}{cost.ServerCpu,12:N1}{cost.ClientBytes,12:N0}{cost.ServerBytes,12:N0}");
        }

        Console.WriteLine($"Live after {growth.Calls:N0} more unary calls: client {growth.ClientBefore / 1024:N0} -> {growth.ClientAfter / 1024:N0} kB, "
            + $"server {growth.ServerBefore / 1024:N0} -> {growth.ServerAfter / 1024:N0} kB.");
    }
}
