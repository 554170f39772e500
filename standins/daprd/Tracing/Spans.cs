using System.Buffers.Binary;
using System.Diagnostics;
using Daprd.Files;
using Grpc.Core;
using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Daprd.Tracing;

/// <summary>The spans of one sidecar. A process may have several sidecars, so each listens only to its own source.</summary>
/// <remarks>
/// As in daprd: with an exporter or a sampling rate in the Configuration, spans are created and outgoing calls carry their context. Without
/// either, the caller's context is propagated unchanged; a rate of 0 propagates nothing.
/// </remarks>
internal sealed class Spans : IDisposable
{
    public const string SourceName = "dapr-diagnostics";

    /// <summary>The sampling rate of root spans if the Configuration has none.</summary>
    private const double DefaultRate = 0.0001;

    /// <summary>Timeout for exporting the last spans at shutdown.</summary>
    private const int ShutdownTimeoutMilliseconds = 1000;

    private readonly ActivitySource? source;
    private readonly ActivityListener? listener;
    private readonly BatchActivityExportProcessor? export;
    private readonly TracerProvider? provider;

    public Spans(Configuration configuration, string appId, Action<string> warn)
    {
        Propagates = configuration.SamplingRate is not 0;
        if (!Propagates || configuration is { SamplingRate: null, ZipkinEndpoint: null }) return;
        if (configuration.ZipkinEndpoint is { } endpoint)
        {
            export = SpanExport.Batched(endpoint, warn);
            // Has no sources; the exporter reads the service name from its resource.
            provider = Sdk.CreateTracerProviderBuilder().ConfigureResource(resource => resource.Clear().AddService(appId)).AddProcessor(export).Build();
        }

        var rate = configuration.SamplingRate ?? DefaultRate;
        source = new ActivitySource(SourceName);
        listener = new ActivityListener
        {
            ShouldListenTo = source => ReferenceEquals(source, this.source),
            Sample = (ref ActivityCreationOptions<ActivityContext> asked) => IsSampled(asked, rate)
                ? ActivitySamplingResult.AllDataAndRecorded
                : ActivitySamplingResult.PropagationData,
            ActivityStopped = span => export?.OnEnd(span),
        };
        ActivitySource.AddActivityListener(listener);
    }

    /// <summary>Whether trace contexts are propagated; false for a sampling rate of 0.</summary>
    public bool Propagates { get; }

    /// <summary>Whether spans are created; false if contexts are only propagated.</summary>
    public bool AreCreated => source is not null;

    /// <param name="parent"><see cref="TraceContext.None"/> starts a new trace.</param>
    public Span Start(string name, ActivityKind kind, TraceContext parent)
    {
        if (!Propagates) return default;
        if (source is null) return new Span(null, parent);
        // Parents are always explicit: Activity.Current must not become one.
        Activity.Current = null;
        ActivityContext.TryParse(parent.Parent, parent.State, isRemote: true, out var context);
        // Zipkin span names are in lower case.
        var activity = source.StartActivity(name.ToLowerInvariant(), kind, context)!;
        Activity.Current = null;
        return new Span(activity, new TraceContext(activity.Id!, parent.State));
    }

    /// <summary>Adds a context to the headers of a delivery: all zeros if there is none, nothing if contexts are not propagated.</summary>
    public void AddTo(Metadata headers, TraceContext context)
    {
        if (!Propagates) return;
        var parent = context.OrZero;
        headers.Add("traceparent", parent);
        headers.Add(TraceContext.BinaryHeader, TraceContext.ToBinary(parent));
    }

    public void Dispose()
    {
        export?.Shutdown(ShutdownTimeoutMilliseconds);
        provider?.Dispose();
        listener?.Dispose();
        source?.Dispose();
    }

    /// <summary>As the parent; a root span by its trace id, so that all sidecars with the same rate make the same decision.</summary>
    private static bool IsSampled(ActivityCreationOptions<ActivityContext> asked, double rate)
    {
        if (asked.Parent.TraceId != default) return asked.Parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded);
        if (rate >= 1) return true;
        Span<byte> id = stackalloc byte[16];
        asked.TraceId.CopyTo(id);
        return BinaryPrimitives.ReadUInt64BigEndian(id[8..]) >> 1 < rate * (1UL << 63);
    }
}
