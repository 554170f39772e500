using System.Globalization;

namespace Saga.Tests.Fuzz;

/// <summary>
/// FUZZ_SEED=n replays one batch. Otherwise half of the batches of FUZZ_CASES (80,000) are always the same, and half start at SIMULATION_FRESH,
/// which test.sh derives from the commit.
/// </summary>
public static class FuzzSettings
{
    /// <summary>Cases of a batch, which has one seed and one shop.</summary>
    public const int BatchSize = 1_000;

    private const int DefaultCases = 80_000;

    public static int? OnlySeed => GetSetting("FUZZ_SEED");

    /// <summary>The seeds of the batches.</summary>
    /// <param name="share">The part of all cases that one test runs, 0 to 1.</param>
    public static IEnumerable<int> Seeds(double share)
    {
        if (OnlySeed is { } only) return [only];
        var batches = Math.Max(2, (int)((GetSetting("FUZZ_CASES") ?? DefaultCases) * share / BatchSize));
        var fresh = GetSetting("SIMULATION_FRESH") ?? batches;
        return [.. Enumerable.Range(0, batches / 2), .. Enumerable.Range(0, batches - batches / 2).Select(at => unchecked(fresh + at) & int.MaxValue)];
    }

    /// <summary>The seed of the generators of a property: the fixed one, or that of FUZZ_SEED.</summary>
    public static ulong PropertySeed => (ulong)(OnlySeed ?? GetSetting("SIMULATION_FRESH") ?? 1);

    /// <param name="ring">The folder of the test project.</param>
    public static string Describe(int seed, string problem, string ring = "Unit") =>
        $"Seed {seed}: {problem}\nReplay it: FUZZ_SEED={seed} dotnet test tests/{ring} -c Release --filter \"FullyQualifiedName~Fuzz\"";

    private static int? GetSetting(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var asked) ? asked : null;
}
