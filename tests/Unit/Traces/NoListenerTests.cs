using System.Diagnostics;
using Saga;
using Saga.Tests;

namespace Traces;

/// <summary>Tracing while it is off: nothing in the process may listen meanwhile.</summary>
[Collection(nameof(Sequential))]
public sealed class NoListenerTests
{
    private const string OrderId = "0198c0de-0000-7000-8000-000000000001", EventId = $"{OrderId}/OrderCreatedEvent";
    private const string Trace = "0af7651916cd43dd8448eb211c80319c", Parent = $"00-{Trace}-b7ad6b7169203331-01";

    [Fact]
    public void Without_a_listener_no_span_is_created()
    {
        using var outer = new Activity("request").Start();
        Assert.Null(SagaTracing.Start("place order", OrderId));
        Assert.Null(SagaTracing.StartLinkedRoot("resend order", OrderId, Trace));
        SagaTracing.SetOutcome("order-created");
        Assert.Same(outer, Activity.Current);
        Assert.Empty(outer.TagObjects);
    }

    [Fact]
    public void Without_a_listener_tracing_allocates_nothing()
    {
        var made = PassBy();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var order = 0; order < 1000; order++) made |= PassBy();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.False(made);
    }

    /// <returns>Whether anything was made.</returns>
    private static bool PassBy()
    {
        using var placed = SagaTracing.Start("place order", orderId: null);
        placed.SetOrder(OrderId);
        using var confirmed = SagaTracing.Start("confirm order", OrderId);
        using var consumed = SagaTracing.StartConsume("reserve stock", "order-created", EventId, attempt: 1, Parent);
        using var tracked = SagaTracing.StartConsume(spanName: null, "stock-reserved", EventId, attempt: 2, parent: null);
        using var resent = SagaTracing.StartLinkedRoot("resend order", OrderId, Trace);
        using var suppressed = SagaTracing.Suppress();
        SagaTracing.SetOutcome("order-created");
        consumed.Fail("dropped", "unreadable");
        SagaTracing.Resume(consumed);
        return (placed ?? confirmed ?? consumed ?? tracked ?? resent ?? suppressed ?? Activity.Current) is not null
            || SagaTracing.TraceId is not null || SagaTracing.OrderId is not null;
    }
}
