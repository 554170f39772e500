using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;

namespace Saga.Telemetry;

/// <summary>
/// The OTLP variables of one signal, such as OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which override those of all signals. The exporter reads them
/// by itself only where every signal is exported by OTLP.
/// </summary>
internal static class OtlpOfSignal
{
    /// <param name="signal">TRACES or METRICS.</param>
    public static void Read(OtlpExporterOptions options, IConfiguration configuration, string signal)
    {
        string? SettingOf(string what) => configuration[$"OTEL_EXPORTER_OTLP_{signal}_{what}"] is { Length: > 0 } value ? value : null;

        options.Protocol = SettingOf("PROTOCOL") switch
        {
            "grpc" => OtlpExportProtocol.Grpc,
            "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
            null or _ => options.Protocol,
        };
        // Unchanged: unlike OTEL_EXPORTER_OTLP_ENDPOINT it has the whole path.
        if (Uri.TryCreate(SettingOf("ENDPOINT"), UriKind.Absolute, out var endpoint)) options.Endpoint = endpoint;
        if (SettingOf("HEADERS") is { } headers) options.Headers = headers;
        if (int.TryParse(SettingOf("TIMEOUT"), out var milliseconds)) options.TimeoutMilliseconds = milliseconds;
    }
}
