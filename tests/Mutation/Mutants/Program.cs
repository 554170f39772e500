using System.Globalization;
using Saga.Tests;

// Walks the interleavings, then runs seeds until one finds something wrong, and says which: exit code 1. Nothing found: exit code 0.
try
{
    if (Interleavings.Walk().Wrong is [var first, ..])
    {
        Console.WriteLine($"caught by an interleaving: {first}");
        return 1;
    }
}
catch (Exception bug)
{
    Console.WriteLine($"caught by an interleaving: {bug.Message}");
    return 1;
}
var most = int.Parse(args[0], CultureInfo.InvariantCulture);
for (var seed = 0; seed < most; seed++)
{
    string? wrong;
    try
    {
        wrong = Simulation.Run(seed).Violations.FirstOrDefault();
    }
    catch (Exception bug)
    {
        wrong = bug.Message;
    }
    if (wrong is null) continue;
    Console.WriteLine($"caught by seed {seed}: {wrong}");
    return 1;
}
Console.WriteLine($"survived {most} seeds");
return 0;
