using System.Diagnostics.Metrics;

namespace Orders;

/// <summary>The metrics of the orders of this instance.</summary>
internal sealed class OrderMetrics : IDisposable
{
    /// <summary>Seconds. Most orders are final within a few hundredths; the default deadline is 60.</summary>
    private static readonly double[] DurationBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

    private readonly Meter meter = new(SagaMetrics.MeterName);

    public OrderMetrics(OrderStore orders, OrderSweep sweep, OpenOrderLimiter open)
    {
        var placed = meter.CreateCounter<long>("saga.orders.placed", "{order}", "Orders that were accepted.");
        var confirmed = meter.CreateCounter<long>("saga.orders.confirmed", "{order}", "Orders that became CONFIRMED.");
        var failed = meter.CreateCounter<long>("saga.orders.failed", "{order}", "Orders that became FAILED, by reason.");
        var duration = meter.CreateHistogram("saga.order.duration", "s", "Time from placing an order until it is CONFIRMED or FAILED.",
            tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = DurationBounds });
        var resends = meter.CreateCounter<long>(
            "saga.orders.resends", "{resend}", "Resends of the last event of an order that was open without a change for too long.");
        meter.CreateObservableGauge("saga.orders.open", () => open.Count, "{order}", "Orders that are not closed.");
        meter.CreateObservableGauge("saga.orders.open_age", () => open.AgeOfOldest.TotalSeconds, "s",
            "Time since the oldest open order was placed; 0 when none is open.");

        // A counter without an increment would be absent instead of 0.
        resends.Add(0);
        foreach (var counter in (Counter<long>[])[placed, confirmed])
        {
            foreach (var pattern in Enum.GetValues<SagaPattern>()) counter.Add(0, GetTag(pattern));
        }

        sweep.Resent += _ => resends.Add(1);
        orders.Changed += (before, order) =>
        {
            var pattern = GetTag(order.Pattern);
            if (order.IsNewSince(before)) placed.Add(1, pattern);
            if (!order.IsFinalSince(before)) return;
            duration.Record((order.FinalAt!.Value - order.Placed).TotalSeconds, pattern);
            if (order.Failure is { } failure) failed.Add(1, new("reason", failure.Reason), pattern);
            else confirmed.Add(1, pattern);
        };
    }

    public void Dispose() => meter.Dispose();

    private static KeyValuePair<string, object?> GetTag(SagaPattern pattern) => new("pattern", pattern.ToString().ToLowerInvariant());
}
