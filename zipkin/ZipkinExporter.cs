using System.Buffers;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.Json;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Zipkin;

/// <summary>Sends finished spans to a Zipkin, or to anything else that takes Zipkin's v2 JSON.</summary>
/// <remarks>
/// Traces are never worth a failure: what cannot be sent is dropped. That is said once, and again only after something could be sent
/// in between. While nobody listens an export costs nothing but a look at the clock.
/// </remarks>
/// <param name="endpoint">Where to post to, such as http://localhost:9411/api/v2/spans.</param>
/// <param name="serviceName">Under which Zipkin lists the spans.</param>
/// <param name="warn">Is told, in a sentence, that spans are being dropped.</param>
public sealed class ZipkinExporter(Uri endpoint, string serviceName, Action<string> warn, TimeProvider clock) : BaseExporter<Activity>
{
    /// <summary>After a failure everything is dropped for so long, and then it is tried again.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    /// <summary>A collector that takes longer to answer counts as not there.</summary>
    public static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    // No span about sending spans, and no trace context for the collector.
    private readonly HttpClient http = new(new SocketsHttpHandler { ActivityHeadersPropagator = null }) { Timeout = AnswerMax };
    private readonly ArrayBufferWriter<byte> body = new(64 * 1024);
    private bool failing;
    private long failed;

    /// <summary>
    /// An exporter behind a bounded queue, with a thread of its own: whoever ends a span never waits, and a full queue drops it.
    /// Sizes and times are OpenTelemetry's: 2048 spans, every 5 s or 512 spans, unless OTEL_BSP_* says otherwise.
    /// </summary>
    public static BatchActivityExportProcessor Batched(Uri endpoint, string serviceName, Action<string> warn)
    {
        var batch = new BatchExportActivityProcessorOptions();
        return new(new ZipkinExporter(endpoint, serviceName, warn, TimeProvider.System),
            batch.MaxQueueSize, batch.ScheduledDelayMilliseconds, batch.ExporterTimeoutMilliseconds, batch.MaxExportBatchSize);
    }

    /// <inheritdoc/>
    public override ExportResult Export(in Batch<Activity> batch)
    {
        if (failing && clock.GetElapsedTime(failed) < Pause) return ExportResult.Failure;
        try
        {
            Write(batch);
            using var request = new HttpRequestMessage(HttpMethod.Post, endpoint) { Content = new ReadOnlyMemoryContent(body.WrittenMemory) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = http.Send(request, HttpCompletionOption.ResponseHeadersRead);
            if (response.IsSuccessStatusCode)
            {
                failing = false;
                return ExportResult.Success;
            }
            return Drop($"it answered {(int)response.StatusCode}");
        }
        catch (Exception fault)
        {
            // Whatever it is: thrown from here it would end the process.
            return Drop(fault is OperationCanceledException ? $"it did not answer within {AnswerMax.TotalSeconds:0} s" : fault.Message);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) http.Dispose();
        base.Dispose(disposing);
    }

    private void Write(in Batch<Activity> batch)
    {
        body.ResetWrittenCount();
        using var json = new Utf8JsonWriter(body);
        json.WriteStartArray();
        foreach (var span in batch) ZipkinSpan.Write(json, span, serviceName);
        json.WriteEndArray();
    }

    private ExportResult Drop(string problem)
    {
        failed = clock.GetTimestamp();
        if (!failing) warn($"Traces cannot be sent to {endpoint} and are dropped: {problem.TrimEnd('.')}. This is said once; sending is tried again.");
        failing = true;
        return ExportResult.Failure;
    }
}
