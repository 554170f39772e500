#pragma warning disable CS0618 // The package is deprecated in favour of OTLP, which Zipkin does not accept by default.
using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;

namespace Daprd.Tracing;

/// <summary>Exports spans to Zipkin. Warns at the first of several consecutive failures.</summary>
/// <param name="warn">Receives the warning that spans are dropped.</param>
internal sealed class SpanExport(ZipkinExporterOptions options, Action<string> warn) : ZipkinExporter(options)
{
    private readonly Uri endpoint = options.Endpoint;
    private bool isFailing;

    /// <summary>Exports from a bounded queue on its own thread, with OpenTelemetry's default sizes and delays unless OTEL_BSP_* overrides them.</summary>
    public static BatchActivityExportProcessor Batched(Uri endpoint, Action<string> warn)
    {
        var batch = new BatchExportActivityProcessorOptions();
        return new(new SpanExport(new() { Endpoint = endpoint }, warn),
            batch.MaxQueueSize, batch.ScheduledDelayMilliseconds, batch.ExporterTimeoutMilliseconds, batch.MaxExportBatchSize);
    }

    /// <inheritdoc/>
    public override ExportResult Export(in Batch<Activity> batch)
    {
        var result = base.Export(batch);
        var failed = result == ExportResult.Failure;
        if (failed && !isFailing) warn($"Traces cannot be sent to {endpoint} and are dropped. This is logged once per outage; sending is retried.");
        isFailing = failed;
        return result;
    }
}
