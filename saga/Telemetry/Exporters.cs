using Microsoft.Extensions.Configuration;

namespace Saga.Telemetry;

/// <summary>The exporters that one of OpenTelemetry's environment variables names, in a list with commas.</summary>
/// <param name="Names">The known ones of the list, in lower case. Empty: nothing is exported.</param>
/// <param name="Problem">What is wrong with the list, in a sentence. Null: nothing.</param>
internal sealed record Exporters(IReadOnlyList<string> Names, string? Problem)
{
    /// <summary>Exports in Zipkin's own format.</summary>
    public const string Zipkin = "zipkin";

    internal const string Otlp = "otlp", Console = "console";

    /// <summary>The variables with the address of a collector.</summary>
    internal static readonly IReadOnlyList<string> EndpointVariables =
        ["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

    private const string None = "none", Prometheus = "prometheus";

    /// <summary>Exporters of spans, by OTEL_TRACES_EXPORTER. Default: zipkin.</summary>
    public static Exporters OfTraces(IConfiguration configuration) => Read(configuration, "OTEL_TRACES_EXPORTER", [Zipkin], [Zipkin, Otlp, Console, None]);

    /// <summary>Exporters of metrics beside /metrics, by OTEL_METRICS_EXPORTER. Default: none.</summary>
    internal static Exporters OfMetrics(IConfiguration configuration) => Read(configuration, "OTEL_METRICS_EXPORTER", [], [Otlp, Console, None, Prometheus]);

    /// <summary>OTEL_SDK_DISABLED switches traces and metrics off.</summary>
    internal static bool AreDisabled(IConfiguration configuration) =>
        string.Equals(configuration["OTEL_SDK_DISABLED"], "true", StringComparison.OrdinalIgnoreCase);

    private static Exporters Read(IConfiguration configuration, string variable, string[] byDefault, string[] known)
    {
        if (AreDisabled(configuration)) return new([], null);
        var listed = (configuration[variable] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string[] names = [.. listed.Select(name => name.ToLowerInvariant()).Where(known.Contains).Distinct()];
        string[] unknown = [.. listed.Where(name => !known.Contains(name.ToLowerInvariant()))];
        var problem = unknown.Length == 0 ? null : $"{variable} names '{string.Join("', '", unknown)}', which is ignored; it knows {string.Join(", ", known)}.";
        return new([.. (names.Length > 0 ? names : byDefault).Where(name => name is not (None or Prometheus))], problem);
    }
}
