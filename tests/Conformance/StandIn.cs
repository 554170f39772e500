namespace Conformance;

/// <summary>The stand-in itself, whatever sidecar the other tests are pointed at.</summary>
internal static class StandIn
{
    public static ChildProcess Run(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        ChildProcess.Start("dotnet", [Path.Combine(AppContext.BaseDirectory, "daprd.dll"), .. arguments], environment);
}

/// <summary>A test of what only the stand-in has, or of how it says that it has not.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class StandInFactAttribute : FactAttribute
{
    public const string NotAsked = "another sidecar is not asked this";

    public StandInFactAttribute() => Skip = Sidecar.IsStandIn ? null : NotAsked;
}

/// <inheritdoc cref="StandInFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class StandInTheoryAttribute : TheoryAttribute
{
    public StandInTheoryAttribute() => Skip = Sidecar.IsStandIn ? null : StandInFactAttribute.NotAsked;
}
