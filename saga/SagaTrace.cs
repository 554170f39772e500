using System.Diagnostics;

namespace Saga;

/// <summary>What the saga shows of an order's way in a trace: its steps, named as people name them. While nobody listens, nothing is made.</summary>
public static class SagaTracing
{
    /// <summary>Under this name its spans can be listened to.</summary>
    public const string SourceName = "DaprSaga";

    private const string OrderTag = "order.id", StepTag = "saga.step", HeardTag = "saga.heard", AttemptTag = "saga.attempt", OutcomeTag = "saga.outcome",
        OrderTraceTag = "order.trace_id";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>The trace that is going on and can be found later, in 32 hex digits. Null: none.</summary>
    public static string? TraceId => Activity.Current is { Recorded: true } now ? now.TraceId.ToHexString() : null;

    /// <summary>The order that the step going on is about. Null: it is about none, or nobody listens.</summary>
    internal static string? OrderId
    {
        get
        {
            for (var step = Activity.Current; step is not null; step = step.Parent)
            {
                if (step.GetTagItem(OrderTag) is string order) return order;
            }
            return null;
        }
    }

    /// <summary>A step, within whatever is going on. Dispose it when it is over.</summary>
    /// <param name="orderId">Null: not known yet; <see cref="SetOrder"/> will say it.</param>
    /// <returns>Null: nobody listens.</returns>
    public static Activity? Start(string step, string? orderId)
    {
        var span = Source.StartActivity(step)?.SetTag(StepTag, step);
        return orderId is null ? span : span.SetOrder(orderId);
    }

    /// <summary>A step on an event heard.</summary>
    /// <param name="step">Null: it is only heard.</param>
    /// <param name="attempt">From 1.</param>
    /// <param name="parent">The W3C traceparent of what said it. Null: whatever is going on.</param>
    internal static Activity? StartConsume(string? step, string topic, string eventId, int attempt, string? parent)
    {
        // What is going on is then the call that brought several, which is nobody's.
        if (parent is not null) Activity.Current = null;
        if (!Source.HasListeners()) return null;
        var name = step ?? $"heard {topic}";
        var span = parent is not null && ActivityContext.TryParse(parent, null, isRemote: true, out var said)
            ? Source.StartActivity(name, ActivityKind.Internal, said)
            : Source.StartActivity(name);
        return span?.SetTag(StepTag, name).SetTag(HeardTag, topic).SetTag(AttemptTag, attempt).SetOrder(OutgoingEvent.OrderIdOf(eventId));
    }

    /// <summary>A step that nobody asked for now. It begins a trace of its own, with a link to the one in which the order came here.</summary>
    /// <param name="traceId">32 hex digits. Null: that one is not known.</param>
    /// <returns>Null: nobody listens.</returns>
    public static Activity? StartLinkedRoot(string step, string orderId, string? traceId)
    {
        if (!Source.HasListeners()) return null;
        Activity.Current = null;
        // Which span of that trace is not kept.
        ActivityLink[] links = traceId is null ? [] : [new(new(ActivityTraceId.CreateFromString(traceId), default, ActivityTraceFlags.None))];
        // A Zipkin is not told of links.
        return Source.StartActivity(ActivityKind.Internal, name: step, links: links)?.SetTag(StepTag, step).SetTag(OrderTraceTag, traceId).SetOrder(orderId);
    }

    /// <summary>What is done under this is in no trace; with nothing around it every call would begin one. Dispose it afterwards.</summary>
    /// <returns>Null: nobody listens, and no call begins one.</returns>
    internal static Activity? Suppress() => Source.HasListeners() ? new Activity("nobody's").Start() : null;

    /// <summary>Says which order a step is about.</summary>
    public static Activity? SetOrder(this Activity? step, string orderId) => step?.SetTag(OrderTag, orderId);

    /// <summary>Says what came of the step that is going on.</summary>
    public static void SetOutcome(string outcome)
    {
        if (Activity.Current is { IsAllDataRequested: true } step && ReferenceEquals(step.Source, Source)) step.SetTag(OutcomeTag, outcome);
    }

    /// <summary>The step could not be done.</summary>
    internal static void Fail(this Activity? step, string outcome, string why) => step?.SetTag(OutcomeTag, outcome).SetStatus(ActivityStatusCode.Error, why);

    /// <summary>What follows is done for this step, not for the one that happened to begin it. Null, or over: for nobody's.</summary>
    internal static void Resume(Activity? step) => Activity.Current = step is { IsStopped: false } ? step : null;
}
