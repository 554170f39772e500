using System.Buffers.Binary;
using System.Diagnostics;
using Daprd.Files;
using Grpc.Core;
using OpenTelemetry;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Daprd.Tracing;

/// <summary>The spans of one sidecar. Each process may have several, so each listens to itself only.</summary>
/// <remarks>
/// As in daprd: an exporter or a sampling rate in the Configuration makes spans, and whoever is called gets their context. Without either
/// a caller's context is passed on as it came; a rate of 0 passes nothing on.
/// </remarks>
internal sealed class Spans : IDisposable
{
    public const string SourceName = "dapr-diagnostics";

    /// <summary>Of what has no parent, when the Configuration does not say.</summary>
    private const double DefaultRate = 0.0001;

    /// <summary>How long the last spans may take on their way out.</summary>
    private const int FarewellMilliseconds = 1000;

    private readonly ActivitySource? source;
    private readonly ActivityListener? listener;
    private readonly BatchActivityExportProcessor? export;
    private readonly TracerProvider? provider;
    private readonly string service;

    public Spans(Configuration configuration, string appId, Action<string> warn)
    {
        PassesOn = configuration.SamplingRate is not 0;
        service = Environment.GetEnvironmentVariable("OTEL_SERVICE_NAME") is { Length: > 0 } said ? said : appId;
        if (!PassesOn || configuration is { SamplingRate: null, ZipkinEndpoint: null }) return;
        if (configuration.ZipkinEndpoint is { } endpoint)
        {
            export = SpanExport.Batched(endpoint, warn);
            // It listens to nothing; the exporter asks it for the name of the service.
            provider = Sdk.CreateTracerProviderBuilder().ConfigureResource(resource => resource.Clear().AddService(service)).AddProcessor(export).Build();
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

    /// <summary>False when a sampling rate of 0 keeps every trace context here.</summary>
    public bool PassesOn { get; }

    /// <summary>False when contexts are only passed on.</summary>
    public bool AreMade => source is not null;

    /// <param name="parent">None starts a trace.</param>
    public Span Start(string name, ActivityKind kind, TraceContext parent)
    {
        if (!PassesOn) return default;
        if (source is null) return new Span(null, parent);
        // Parents are named, never found: nothing here is anybody's ambient activity.
        Activity.Current = null;
        ActivityContext.TryParse(parent.Parent, parent.State, isRemote: true, out var context);
        // Zipkin's names are in lower case, and every span names its service once more.
        var activity = source.StartActivity(name.ToLowerInvariant(), kind, context)!;
        if (activity.IsAllDataRequested) activity.SetTag("service.name", service);
        Activity.Current = null;
        return new Span(activity, new TraceContext(activity.Id!, parent.State));
    }

    /// <summary>Adds a context to the headers of a delivery: all zeros when there is none, and nothing when none is passed on.</summary>
    public void AddTo(Metadata headers, TraceContext context)
    {
        if (!PassesOn) return;
        var parent = context.OrZero;
        headers.Add("traceparent", parent);
        headers.Add(TraceContext.BinaryHeader, TraceContext.ToBinary(parent));
    }

    public void Dispose()
    {
        export?.Shutdown(FarewellMilliseconds);
        provider?.Dispose();
        listener?.Dispose();
        source?.Dispose();
    }

    /// <summary>As the parent is; without one by the trace id, so that every sidecar with the same rate decides alike.</summary>
    private static bool IsSampled(ActivityCreationOptions<ActivityContext> asked, double rate)
    {
        if (asked.Parent.TraceId != default) return asked.Parent.TraceFlags.HasFlag(ActivityTraceFlags.Recorded);
        if (rate >= 1) return true;
        Span<byte> id = stackalloc byte[16];
        asked.TraceId.CopyTo(id);
        return BinaryPrimitives.ReadUInt64BigEndian(id[8..]) >> 1 < rate * (1UL << 63);
    }
}
