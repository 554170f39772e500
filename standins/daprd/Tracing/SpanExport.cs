#pragma warning disable CS0618 // The package is deprecated in favour of OTLP; a Zipkin as it comes does not take that.
using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;

namespace Daprd.Tracing;

/// <summary>Sends spans to a Zipkin. That it cannot is said once, and again only after something could be sent in between.</summary>
/// <param name="warn">Is told, in a sentence, that spans are being dropped.</param>
internal sealed class SpanExport(ZipkinExporterOptions options, Action<string> warn) : ZipkinExporter(options)
{
    private readonly Uri endpoint = options.Endpoint;
    private bool isFailing;

    /// <summary>Behind a bounded queue, with a thread of its own. Sizes and times are OpenTelemetry's, unless OTEL_BSP_* says otherwise.</summary>
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
        if (failed && !isFailing) warn($"Traces cannot be sent to {endpoint} and are dropped. This is said once; sending is tried again.");
        isFailing = failed;
        return result;
    }
}
