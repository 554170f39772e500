using System.Globalization;
using Saga.Tests;

// Runs seeds until one finds something wrong, and says how many it took: exit code 1. Nothing found: exit code 0.
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
