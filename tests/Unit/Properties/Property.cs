using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using Saga.Tests.Fuzz;

namespace Saga.Tests.Properties;

/// <summary>Checks a property on generated values, from the seed of <see cref="FuzzSettings.PropertySeed"/>, and shrinks a value that breaks it.</summary>
internal static class Property
{
    /// <param name="check">Asserts what holds for every value.</param>
    /// <param name="cases">Values to generate.</param>
    public static void ForAll<T>(Gen<T> values, Action<T> check, int cases = 500) => ForAll(values.ToArbitrary(), check, cases);

    /// <summary>For sequences: one that breaks the property is shrunk by leaving elements out.</summary>
    public static void ForAll<T>(Gen<T[]> values, Action<T[]> check, int cases = 500) =>
        ForAll(Arb.From(values, sequence => Enumerable.Range(0, sequence.Length).Select(at => (T[])[.. sequence[..at], .. sequence[(at + 1)..]])), check, cases);

    private static void ForAll<T>(Arbitrary<T> values, Action<T> check, int cases)
    {
        var seed = FuzzSettings.PropertySeed;
        var replay = FSharpOption<Replay>.Some(new(new Rnd(seed), FSharpOption<int>.None));
        try
        {
            Check.One(Config.QuickThrowOnFailure.WithMaxTest(cases).WithReplay(replay), Prop.ForAll(values, check));
        }
        catch (Exception broken)
        {
            throw new InvalidOperationException($"Replay it: FUZZ_SEED={seed} dotnet test tests/Unit -c Release --filter \"FullyQualifiedName~Properties\"", broken);
        }
    }
}
