using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Saga;
using Saga.Tests;
using Shop.V1;
using Stock;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;

namespace Traces;

/// <summary>The trace of steps without a cause and of shared work.</summary>
public sealed class SagaTracingTests : IDisposable
{
    private const string OrderId = "0198c0de-0000-7000-8000-000000000001", First = "0af7651916cd43dd8448eb211c80319c";
    private static readonly SagaTimeouts SagaTimeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly List<Activity> steps = [];
    private readonly List<OutgoingEvent> published = [];
    private readonly List<string?> operations = [];
    private ActivityListener? listener;

    public void Dispose() => listener?.Dispose();

    [Theory]
    [InlineData(null)]
    [InlineData($"00-{First}-b7ad6b7169203331-01")]
    public async Task Each_attempt_at_a_redelivered_event_is_numbered(string? parent)
    {
        Listen();
        var fails = 2;
        var subscriptions = new Subscriptions()
            .On<OrderConfirmedEvent>((_, _) => fails-- > 0 ? throw new TimeoutException("late") : Task.CompletedTask, "settle stock");
        var dispatcher = new EventDispatcher(subscriptions, null!, new("stock"), TimeProvider.System, NullLogger<EventDispatcher>.Instance);
        var envelope = new TopicEventCERequest
        {
            Id = $"{OrderId}/OrderConfirmedEvent",
            Data = ByteString.CopyFromUtf8(
                $$"""{"orderId":"{{OrderId}}","userId":"u","items":[{"productId":"p","quantity":1,"unitPrice":"5"}],"totalAmount":"5","finalAmount":"5"}"""),
            Extensions = new(),
        };
        if (parent is not null) envelope.Extensions.Fields["traceparent"] = Value.ForString(parent);
        var batch = new TopicEventBulkRequest
        {
            Topic = "order-confirmed",
            Entries = { new TopicEventBulkRequestEntry { EntryId = "1", CloudEvent = envelope } },
        };

        for (var delivery = 0; delivery < 4; delivery++) await AppCallbackService.DispatchAsync(batch, dispatcher, default);

        var consumed = steps.Where(step => step.OperationName == "settle stock").ToArray();
        Assert.Equal([1, 2, 3, 1], consumed.Select(step => step.GetTagItem("saga.attempt")));
        Assert.Equal(["to be redelivered", "to be redelivered", null, null], consumed.Select(step => step.GetTagItem("saga.outcome")));
        if (parent is not null) Assert.All(consumed, step => Assert.Equal(First, step.TraceId.ToHexString()));
    }

    [Fact]
    public async Task An_event_of_a_batch_is_not_in_the_trace_of_the_delivering_call()
    {
        List<string?> traces = [];
        var subscriptions = new Subscriptions().On<OrderConfirmedEvent>((_, _) =>
        {
            traces.Add(Activity.Current?.TraceId.ToHexString());
            return Task.CompletedTask;
        });
        var dispatcher = new EventDispatcher(subscriptions, null!, new("stock"), TimeProvider.System, NullLogger<EventDispatcher>.Instance);
        var envelope = new TopicEventCERequest
        {
            Id = "other/OrderConfirmedEvent",
            Data = ByteString.CopyFromUtf8(
                $$"""{"orderId":"{{OrderId}}","userId":"u","items":[{"productId":"p","quantity":1,"unitPrice":"5"}],"totalAmount":"5","finalAmount":"5"}"""),
            Extensions = new(),
        };
        envelope.Extensions.Fields["traceparent"] = Value.ForString($"00-{First}-b7ad6b7169203331-01");
        using var call = new Activity("call").Start();
        var batch = new TopicEventBulkRequest
        {
            Topic = "order-confirmed",
            Entries = { new TopicEventBulkRequestEntry { EntryId = "1", CloudEvent = envelope } },
        };
        await AppCallbackService.DispatchAsync(batch, dispatcher, default);
        Assert.NotEqual(call.TraceId.ToHexString(), Assert.Single(traces));
        Assert.Same(call, Activity.Current);
    }

    [Fact]
    public void A_resend_starts_a_trace_linked_to_that_of_the_order()
    {
        Listen();
        var sidecar = Sidecar();
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        var at = world.Clock.GetUtcNow();
        store.TryWrite($"app||{Order.KeyOf(OrderId)}", new Order(
            OrderId, "u", OrderStatus.Pending, [new("p", 1, 100)], new(100, 0, 100), null, new("", "", ""), "content",
            null, at, [new(at, "order-created", "", OrderStatus.Pending, First)], SagaSteps.Default.For("c", at)), "");
        var documents = DocumentStore.Create(sidecar, ConflictBackoff());
        var orders = new OrderStore(documents, sidecar, world.Clock, NullLoggerFactory.Instance);
        var sweep = new OrderSweep(
            orders, null!, sidecar, openOrders, new(documents, sidecar, world.Clock),
            SagaSteps.Default, SagaTimeouts, null!, world.Clock, NullLoggerFactory.Instance);
        Run(() => openOrders.AddAsync(OrderId, default));
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + SagaTimeouts.ResendAfter);
        Run(() => sweep.RunAsync(default));
        Assert.Equal("order-created", Assert.Single(published).Topic);
        BeganAnew("resend order");
    }

    [Fact]
    public void A_swept_reservation_links_to_the_trace_that_made_it()
    {
        Listen();
        var sidecar = Sidecar();
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        var participant = new Participant<Product>(
            DocumentStore.Create(sidecar, ConflictBackoff()), sidecar, Product.KeyOf, openOrders, world.Clock);
        store.TryWrite($"app||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(60), []), "");
        Within("reserve stock", () => participant.ReserveAsync(OrderId, [new("p", 1)], StockDecisions.Reject, default), First);
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + SagaTimeouts.Deadline);
        var sweep = new ReservationSweep<Product>(
            participant, sidecar, openOrders, (_, _) => Task.FromResult(OrderOutcome.Confirmed),
            SagaTimeouts.Deadline, null!, world.Clock, NullLogger<ReservationSweep<Product>>.Instance);
        Run(() => sweep.RunAsync(default));
        Assert.Equal(1, ((Product)store.Read($"app||{Product.KeyOf("p")}").Value!).Holdings.Consumed);
        Assert.Equal("order is Confirmed", BeganAnew("sweep reservation").GetTagItem("saga.outcome"));
    }

    [Fact]
    public void A_shared_call_is_traced_under_its_first_item()
    {
        var documents = DocumentStore.Create(Sidecar(), ConflictBackoff());
        List<Task<bool>> changes = [];
        world.Run(async () =>
        {
            // The others come while the first is being written, and share what comes after.
            changes.Add(ChangeAsync("a", () => changes.AddRange([ChangeAsync("b"), ChangeAsync("c")])));
            for (var at = 0; at < changes.Count; at++) await changes[at];
            return true;
        });
        Assert.Equal(["a", "b"], operations.Distinct());
        Assert.Equal(["a", "b", "c"], ((IdShard)store.Read("app||list").Value!).Ids);

        async Task<bool> ChangeAsync(string name, Action? decided = null)
        {
            using var outer = new Activity(name).Start();
            return await documents.UpdateAsync<IdShard, bool>("list", kept => Added(kept, name, decided), default);
        }
    }

    [Fact]
    public void A_shared_call_skips_spans_that_have_stopped()
    {
        var documents = DocumentStore.Create(Sidecar(), ConflictBackoff());
        List<Task<bool>> changes = [];
        world.Run(async () =>
        {
            using var here = new Activity("here").Start();
            using var first = new Activity("first").Start();
            changes.Add(ChangeInAsync("first", first, () => changes.AddRange([ChangeAsync("gone"), ChangeInAsync("here", here)])));
            for (var at = 0; at < changes.Count; at++) await changes[at];
            return true;
        });
        Assert.Equal(["first", "here"], operations.Distinct());

        Task<bool> ChangeAsync(string name)
        {
            using var outer = new Activity(name).Start();
            return ChangeInAsync(name, outer);
        }

        Task<bool> ChangeInAsync(string name, Activity step, Action? decided = null)
        {
            Activity.Current = step;
            return documents.UpdateAsync<IdShard, bool>("list", kept => Added(kept, name, decided), default);
        }
    }

    [Fact]
    public async Task A_shared_call_whose_spans_have_all_stopped_is_not_traced()
    {
        Listen();
        var over = new Activity("over").Start();
        over.Stop();
        await Task.Run(() =>
        {
            SagaTracing.Resume(over);
            // Without a current activity the call would start a trace; this one makes it unrecorded.
            Assert.False(Activity.Current?.Recorded);
        });
    }

    private static Update<IdShard, bool> Added(IdShard? kept, string name, Action? decided)
    {
        decided?.Invoke();
        return new(new((kept?.Ids ?? []).Add(name)), true);
    }

    [Fact]
    public async Task The_reads_of_a_sweep_are_not_traced()
    {
        Listen();
        var seen = new TaskCompletionSource<Activity?>();
        var sweep = new PeriodicSweep("test", _ =>
        {
            seen.TrySetResult(Activity.Current);
            return Task.CompletedTask;
        }, TimeSpan.FromMilliseconds(1), TimeProvider.System, NullLogger<PeriodicSweep>.Instance);
        await sweep.StartAsync(default);
        var around = await seen.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await sweep.StopAsync(default);
        // Without a current activity each call would start a trace; this one makes them unrecorded.
        Assert.NotNull(around);
        Assert.False(around.Recorded);
    }

    [Fact]
    public async Task Health_checks_are_not_traced()
    {
        Listen();
        using var sidecar = new HttpListener();
        sidecar.Prefixes.Add(Free(out var address));
        sidecar.Start();
        using var dapr = new DaprClientBuilder().UseHttpEndpoint(address).Build();
        var probe = new SubscriptionDiscovery();
        probe.SetRead();
        var asking = new Readiness(
            dapr, null!, new(), probe, new ComponentProbe(null!, new("console"), NullLogger<ComponentProbe>.Instance),
            new StoreProbe(null!, NullLogger<StoreProbe>.Instance), new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance)).CheckHealthAsync(new());
        var asked = await sidecar.GetContextAsync().WaitAsync(TimeSpan.FromSeconds(30));
        asked.Response.StatusCode = 204;
        asked.Response.Close();
        Assert.Equal(HealthStatus.Healthy, (await asking).Status);
        Assert.EndsWith("-00", asked.Request.Headers["traceparent"]);
    }

    private static string Free(out string address) => address = $"http://localhost:{FreePort.Take()}/";

    private void Listen()
    {
        listener = new()
        {
            ShouldListenTo = source => source.Name == SagaTracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            // Simulations run beside these tests, on other orders.
            ActivityStopped = step =>
            {
                if (Equals(step.GetTagItem("order.id"), OrderId)) steps.Add(step);
            },
        };
        ActivitySource.AddActivityListener(listener);
    }

    /// <summary>The step was made, once, as a root with a link.</summary>
    private Activity BeganAnew(string name)
    {
        var step = Assert.Single(steps);
        Assert.Equal((name, default(ActivitySpanId)), (step.OperationName, step.ParentSpanId));
        Assert.NotEqual(First, step.TraceId.ToHexString());
        Assert.Equal(First, Assert.Single(step.Links).Context.TraceId.ToHexString());
        return step;
    }

    /// <summary>As a sweep would.</summary>
    private void Run(Func<Task> work) => Within("sweep", work, null);

    private void Within(string name, Func<Task> work, string? trace)
    {
        using var outer = new Activity(name);
        if (trace is not null) outer.SetParentId(ActivityTraceId.CreateFromString(trace), ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded);
        outer.Start();
        world.Run(async () =>
        {
            await work();
            return true;
        });
    }

    private ConflictBackoff ConflictBackoff() => new(world.Clock, world.Chance);

    private SimulatedSidecar Sidecar() => new(world, store, "app", null, () =>
    {
        // Asked at each operation.
        operations.Add(Activity.Current?.OperationName);
        return SidecarFaults.None;
    }, () => false, published.Add);
}
