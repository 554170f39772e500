using System.Diagnostics;
using Saga;
using Saga.Tests;

namespace Traces;

/// <summary>What an order's trace costs while traces are off.</summary>
[Collection(nameof(Alone))]
public sealed class NobodyListensTests
{
    private const string OrderId = "0198c0de-0000-7000-8000-000000000001", EventId = $"{OrderId}/OrderCreatedEvent";
    private const string Trace = "0af7651916cd43dd8448eb211c80319c", Parent = $"00-{Trace}-b7ad6b7169203331-01";

    [Fact]
    public void Everything_that_would_be_shown_of_an_order_takes_not_one_byte()
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
        using var placed = SagaTrace.Start("place order", orderId: null);
        placed.Name(OrderId);
        using var confirmed = SagaTrace.Start("confirm order", OrderId);
        using var heard = SagaTrace.Hear("reserve stock", "order-created", EventId, attempt: 1, Parent);
        using var noted = SagaTrace.Hear(step: null, "stock-reserved", EventId, attempt: 2, parent: null);
        using var reminded = SagaTrace.StartAnew("remind order", OrderId, Trace);
        using var looking = SagaTrace.Nobodys();
        SagaTrace.Outcome("order-created");
        heard.Fail("dropped", "unreadable");
        SagaTrace.Continue(heard);
        return (placed ?? confirmed ?? heard ?? noted ?? reminded ?? looking ?? Activity.Current) is not null
            || SagaTrace.TraceId is not null || SagaTrace.OrderId is not null;
    }
}
