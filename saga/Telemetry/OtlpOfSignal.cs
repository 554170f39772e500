using System.Globalization;
using Microsoft.Extensions.Configuration;
using OpenTelemetry.Exporter;

namespace Saga.Telemetry;

/// <summary>
/// The OTLP variables of one signal, such as OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which override those of all signals. The exporter reads them
/// by itself only where every signal is exported by OTLP.
/// </summary>
internal sealed class OtlpOfSignal
{
    /// <summary>The signals that are exported.</summary>
    public const string Traces = "TRACES", Metrics = "METRICS";

    private readonly IConfiguration configuration;
    private readonly string prefix;
    private readonly OtlpExportProtocol? protocol;
    private readonly OtlpExportCompression? compression;
    private readonly int? milliseconds;

    /// <param name="signal"><see cref="Traces"/> or <see cref="Metrics"/>.</param>
    public OtlpOfSignal(IConfiguration configuration, string signal)
    {
        (this.configuration, prefix) = (configuration, $"OTEL_EXPORTER_OTLP_{signal}_");
        List<string> problems = [];
        protocol = GetSetting("PROTOCOL") switch
        {
            "grpc" => OtlpExportProtocol.Grpc,
            "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
            var other => Ignore<OtlpExportProtocol>("PROTOCOL", other, "it is grpc or http/protobuf"),
        };
        compression = GetSetting("COMPRESSION") switch
        {
            "gzip" => OtlpExportCompression.GZip,
            "none" => OtlpExportCompression.None,
            var other => Ignore<OtlpExportCompression>("COMPRESSION", other, "it is gzip or none"),
        };
        var timeout = GetSetting("TIMEOUT");
        milliseconds = int.TryParse(timeout, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed > 0
            ? parsed
            : Ignore<int>("TIMEOUT", timeout, "it is a number of milliseconds from 1, such as 10000");
        Problems = problems;

        T? Ignore<T>(string what, string? value, string rule) where T : struct
        {
            if (value is not null) problems.Add($"{prefix}{what} is '{value}', which is ignored; {rule}.");
            return null;
        }
    }

    /// <summary>What is wrong with a variable, in sentences.</summary>
    public IReadOnlyList<string> Problems { get; }

    public void Apply(OtlpExporterOptions options)
    {
        options.Protocol = protocol ?? options.Protocol;
        options.Compression = compression ?? options.Compression;
        options.TimeoutMilliseconds = milliseconds ?? options.TimeoutMilliseconds;
        // Unchanged: unlike OTEL_EXPORTER_OTLP_ENDPOINT it has the whole path.
        if (Uri.TryCreate(GetSetting("ENDPOINT"), UriKind.Absolute, out var endpoint)) options.Endpoint = endpoint;
        if (GetSetting("HEADERS") is { } headers) options.Headers = headers;
    }

    private string? GetSetting(string what) => configuration[prefix + what] is { Length: > 0 } value ? value : null;
}
