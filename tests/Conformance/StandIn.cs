namespace Conformance;

/// <summary>The stand-in itself, regardless of the sidecar under test.</summary>
internal static class StandIn
{
    public static ChildProcess Run(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null) =>
        ChildProcess.Start("dotnet", [Path.Combine(AppContext.BaseDirectory, "daprd.dll"), .. arguments], environment);
}

/// <summary>A test of behaviour that only the stand-in has. Skipped for other sidecars.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class StandInFactAttribute : FactAttribute
{
    public const string Reason = "applies only to the stand-in";

    public StandInFactAttribute() => Skip = Sidecar.IsStandIn ? null : Reason;
}

/// <inheritdoc cref="StandInFactAttribute"/>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class StandInTheoryAttribute : TheoryAttribute
{
    public StandInTheoryAttribute() => Skip = Sidecar.IsStandIn ? null : StandInFactAttribute.Reason;
}
