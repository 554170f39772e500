using Google.Protobuf.WellKnownTypes;
using Traces;

namespace Integration;

/// <summary>Collects the spans of an order.</summary>
internal static class OrderTree
{
    /// <summary>The steps without a successor of a confirmed order. Any of them can be the last one to end.</summary>
    public static readonly string[] ConfirmedSteps =
    [
        "consume stock-reserved", "consume payment-completed", "consume coupon-used", "settle stock", "settle payment", "settle coupon",
    ];

    /// <summary>The steps without a successor of an order that failed because of its payment. A late reservation is refused.</summary>
    public static readonly string[] FailedSteps =
    [
        "consume stock-reserved or stock-reservation-failed", "consume payment-failed", "consume coupon-used or coupon-usage-failed",
        "consume stock-released", "consume payment-refunded", "consume coupon-restored",
    ];

    /// <summary>Waits until the last steps and all parents have been received. Spans received by two exporters are returned once.</summary>
    /// <param name="last">Names of the last steps; <c>consume a or b</c> is one of both.</param>
    public static async Task<List<Span>> WaitAsync(Collector collector, string order, IReadOnlyList<string> last)
    {
        List<Span> tree = [];
        await collector.UntilAsync(spans =>
        {
            var placing = spans.Where(span => span.Name == "place order" && span.Tags.GetValueOrDefault("order.id") == order);
            var traces = placing.Select(span => span.TraceId).ToHashSet();
            tree = [.. spans.Where(span => traces.Contains(span.TraceId)).DistinctBy(span => (span.Id, span.Kind))];
            var ids = tree.Select(span => span.Id).ToHashSet();
            // The span of a delivery ends after that of the step, whose parent it is not.
            return last.All(name => tree.Any(span => IsStep(span, name))) && tree.All(span => span.ParentId is null || ids.Contains(span.ParentId))
                && tree.Count(IsDelivery) >= tree.Count(span => span.Tags.ContainsKey("saga.topic"));
        });
        return tree;
    }

    /// <summary>A delivery by a sidecar to its app.</summary>
    public static bool IsDelivery(Span span) => span.Scope == "dapr-diagnostics" && span.Name.StartsWith("pubsub/");

    private static bool IsStep(Span span, string name) =>
        name.Split(" or ") is [var first, var second] ? span.Name == first || span.Name == $"consume {second}" : span.Name == name;
}
