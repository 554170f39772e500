using System.Diagnostics;

namespace Saga.Telemetry;

/// <summary>
/// Takes the last of several traceparent headers. A proxied call has the caller's header first and the sidecar's own after it; ASP.NET Core joins
/// them with commas, which is not a valid traceparent.
/// </summary>
internal sealed class LastParent(DistributedContextPropagator inner) : DistributedContextPropagator
{
    private const string TraceParent = "traceparent";

    public override IReadOnlyCollection<string> Fields => inner.Fields;

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter) => inner.Inject(activity, carrier, setter);

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState)
    {
        inner.ExtractTraceIdAndState(carrier, getter is null ? null : GetLast, out traceId, out traceState);

        void GetLast(object? from, string field, out string? value, out IEnumerable<string>? values)
        {
            getter(from, field, out value, out values);
            if (field == TraceParent && value is not null) value = value[(value.LastIndexOf(',') + 1)..].Trim();
        }
    }

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) =>
        inner.ExtractBaggage(carrier, getter);
}
