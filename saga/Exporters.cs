using Microsoft.Extensions.Configuration;

namespace Saga;

/// <summary>The exporters that one of OpenTelemetry's environment variables names, in a list with commas.</summary>
/// <param name="Names">Those that are there, in lower case. Empty: nothing is exported.</param>
/// <param name="Problem">What was wrong with the list, in a sentence. Null: nothing.</param>
public sealed record Exporters(IReadOnlyList<string> Names, string? Problem)
{
    /// <summary>Sends to a Zipkin, in its own format.</summary>
    public const string Zipkin = "zipkin";

    internal const string Otlp = "otlp", Console = "console";

    private const string None = "none", Prometheus = "prometheus";

    /// <summary>Of spans, by OTEL_TRACES_EXPORTER: to a Zipkin unless it says otherwise.</summary>
    public static Exporters OfTraces(IConfiguration configuration) => Read(configuration, "OTEL_TRACES_EXPORTER", [Zipkin], [Zipkin, Otlp, Console, None]);

    /// <summary>Of metrics, by OTEL_METRICS_EXPORTER, beside /metrics: none unless it says otherwise.</summary>
    internal static Exporters OfMetrics(IConfiguration configuration) => Read(configuration, "OTEL_METRICS_EXPORTER", [], [Otlp, Console, None, Prometheus]);

    /// <summary>OTEL_SDK_DISABLED switches traces and metrics off altogether.</summary>
    internal static bool AreDisabled(IConfiguration configuration) => string.Equals(configuration["OTEL_SDK_DISABLED"], "true", StringComparison.OrdinalIgnoreCase);

    private static Exporters Read(IConfiguration configuration, string variable, string[] otherwise, string[] known)
    {
        if (AreDisabled(configuration)) return new([], null);
        var listed = (configuration[variable] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string[] names = [.. listed.Select(name => name.ToLowerInvariant()).Where(known.Contains).Distinct()];
        string[] unknown = [.. listed.Where(name => !known.Contains(name.ToLowerInvariant()))];
        var problem = unknown.Length == 0 ? null : $"{variable} names '{string.Join("', '", unknown)}', which is ignored; it knows {string.Join(", ", known)}.";
        return new([.. (names.Length > 0 ? names : otherwise).Where(name => name is not (None or Prometheus))], problem);
    }
}
