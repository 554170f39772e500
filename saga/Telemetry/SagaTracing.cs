using System.Diagnostics;

namespace Saga.Telemetry;

/// <summary>The spans of an order's steps. Without a listener no span is created.</summary>
internal static class SagaTracing
{
    /// <summary>The name of the activity source.</summary>
    public const string SourceName = "DaprSaga";

    private const string OrderTag = "order.id", StepTag = "saga.step", TopicTag = "saga.topic", AttemptTag = "saga.attempt", OutcomeTag = "saga.outcome",
        OrderTraceTag = "order.trace_id";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>The current trace, 32 hex digits. Null: there is none, or it is not sampled.</summary>
    public static string? TraceId => Activity.Current is { Recorded: true } now ? now.TraceId.ToHexString() : null;

    /// <summary>The order of the current span or its nearest ancestor. Null: none has one.</summary>
    internal static string? OrderId
    {
        get
        {
            for (var span = Activity.Current; span is not null; span = span.Parent)
            {
                if (span.GetTagItem(OrderTag) is string order) return order;
            }
            return null;
        }
    }

    /// <summary>Starts the span of a step under the current one. Dispose it at the end of the step.</summary>
    /// <param name="orderId">Null: not known yet; call <see cref="SetOrder"/> later.</param>
    /// <returns>Null: there is no listener.</returns>
    public static Activity? Start(string step, string? orderId)
    {
        var span = Source.StartActivity(step)?.SetTag(StepTag, step);
        return orderId is null ? span : span.SetOrder(orderId);
    }

    /// <summary>Starts the span of the handling of a delivered event.</summary>
    /// <param name="spanName">What the handler does. Null: it only records the event.</param>
    /// <param name="attempt">From 1.</param>
    /// <param name="parent">The W3C traceparent of the publisher. Null: the current span is the parent.</param>
    internal static Activity? StartConsume(string? spanName, string topic, string eventId, int attempt, string? parent)
    {
        // The current span is then the call that delivers a batch and belongs to no order.
        if (parent is not null) Activity.Current = null;
        if (!Source.HasListeners()) return null;
        var name = spanName ?? $"consume {topic}";
        var span = parent is not null && ActivityContext.TryParse(parent, null, isRemote: true, out var publisher)
            ? Source.StartActivity(name, ActivityKind.Internal, publisher)
            : Source.StartActivity(name);
        return span?.SetTag(StepTag, name).SetTag(TopicTag, topic).SetTag(AttemptTag, attempt).SetOrder(EventIds.GetOrderId(eventId));
    }

    /// <summary>Starts the root span of a step that no request or event caused, linked to the trace in which the order was placed.</summary>
    /// <param name="traceId">That trace, 32 hex digits. Null: unknown.</param>
    /// <returns>Null: there is no listener.</returns>
    public static Activity? StartLinkedRoot(string step, string orderId, string? traceId)
    {
        if (!Source.HasListeners()) return null;
        Activity.Current = null;
        // The span within that trace is not stored.
        ActivityLink[] links = traceId is null ? [] : [new(new(ActivityTraceId.CreateFromString(traceId), default, ActivityTraceFlags.None))];
        // Zipkin's format has no links: a tag has the trace id too.
        return Source.StartActivity(ActivityKind.Internal, name: step, links: links)?.SetTag(StepTag, step).SetTag(OrderTraceTag, traceId).SetOrder(orderId);
    }

    /// <summary>Suppresses tracing until disposed: without a parent every outgoing call would start a trace of its own.</summary>
    /// <returns>Null: there is no listener.</returns>
    public static Activity? Suppress() => Source.HasListeners() ? new Activity("untraced").Start() : null;

    /// <summary>Sets the order of a span.</summary>
    public static Activity? SetOrder(this Activity? span, string orderId) => span?.SetTag(OrderTag, orderId);

    /// <summary>Sets the outcome of the current span.</summary>
    public static void SetOutcome(string outcome)
    {
        if (Activity.Current is { IsAllDataRequested: true } span && ReferenceEquals(span.Source, Source)) span.SetTag(OutcomeTag, outcome);
    }

    /// <summary>Marks the span as failed.</summary>
    internal static void Fail(this Activity? span, string outcome, string why) => span?.SetTag(OutcomeTag, outcome).SetStatus(ActivityStatusCode.Error, why);

    /// <summary>Makes <paramref name="span"/> the current span of shared work. Null or stopped: the work is not traced.</summary>
    internal static void Resume(Activity? span)
    {
        Activity.Current = span is { IsStopped: false } ? span : null;
        if (Activity.Current is null) Suppress();
    }
}
