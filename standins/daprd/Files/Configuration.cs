using System.Globalization;

namespace Daprd.Files;

/// <summary>The fields of a Configuration file that the stand-in supports.</summary>
/// <param name="SamplingRate">0 to 1; null: not set. 0 also disables the propagation of trace contexts.</param>
/// <param name="ZipkinEndpoint">Receives the spans. Null: spans are not exported.</param>
internal sealed record Configuration(double? SamplingRate, Uri? ZipkinEndpoint)
{
    private static readonly string[] Known = ["tracing", "metric", "metrics", "logging"];
    private static readonly string[] KnownOfTracing = ["samplingRate", "zipkin"];

    /// <summary>Later files override earlier ones.</summary>
    public static Configuration Read(IEnumerable<string> files, Action<string> warn)
    {
        var found = new Configuration(null, null);
        foreach (var document in files.SelectMany(YamlNodeRef.Documents))
        {
            if (document.Field("kind")?.Text() != "Configuration") continue;
            WarnOfMissing(document.Field("spec"), Known, warn);
            var tracing = document.Field("spec")?.Field("tracing");
            WarnOfMissing(tracing, KnownOfTracing, warn);
            if (tracing?.Field("samplingRate") is { } rate) found = found with { SamplingRate = GetRate(rate) };
            if (tracing?.Field("zipkin")?.Field("endpointAddress") is { } endpoint) found = found with { ZipkinEndpoint = GetEndpoint(endpoint) };
        }

        return found;
    }

    private static void WarnOfMissing(YamlNodeRef? node, string[] known, Action<string> warn)
    {
        foreach (var (name, value) in node?.Fields() ?? [])
        {
            if (!known.Contains(name)) warn(value.Error("this is not in this stand-in for daprd, and ignored").Message);
        }
    }

    private static double GetRate(YamlNodeRef rate) =>
        double.TryParse(rate.Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 1
            ? value
            : throw rate.Error($"'{rate.Text()}' is not a sampling rate from 0 to 1");

    private static Uri GetEndpoint(YamlNodeRef endpoint) =>
        Uri.TryCreate(endpoint.Text(), UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address
        : throw endpoint.Error($"'{endpoint.Text()}' is not the URL of a Zipkin");
}
