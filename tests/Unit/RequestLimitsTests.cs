using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Shop.V1;
using Order = Orders.Order;
using Status = Google.Rpc.Status;

namespace Saga.Tests;

/// <summary>Over a limit a call is rejected at once, and accepted again when another has ended.</summary>
public sealed class RequestLimitsTests : IDisposable
{
    private const int Max = 2;

    private static readonly SagaOptions Options = Read("RequestsMax", "StreamsMax", "OpenOrdersPerUserMax");

    private readonly RequestLimits limits = new(Options);
    private readonly ApplicationLifetime lifetime = new(NullLogger<ApplicationLifetime>.Instance);

    public void Dispose() => limits.Dispose();

    [Fact]
    public void The_rejection_says_when_to_retry_and_that_nothing_was_done()
    {
        var entered = Enumerable.Range(0, Max).Select(_ => limits.EnterRequest()).ToArray();
        var rejected = Assert.Throws<RejectedException>(limits.EnterRequest);
        Assert.Equal(StatusCode.ResourceExhausted, rejected.StatusCode);
        Assert.Contains("2 requests are in progress", rejected.Status.Detail);
        Assert.Contains("This call did nothing", rejected.Status.Detail);
        var detail = Assert.Single(Status.Parser.ParseFrom(rejected.Trailers.GetValueBytes("grpc-status-details-bin")).Details);
        Assert.Equal(1, detail.Unpack<RetryInfo>().RetryDelay.Seconds);
        // Streams have a limit of their own.
        limits.EnterStream().Dispose();

        entered[0].Dispose();
        limits.EnterRequest().Dispose();
    }

    [Fact]
    public async Task A_call_holds_its_place_until_it_ends_however_it_ends()
    {
        var interceptor = new RequestLimitInterceptor(limits, lifetime);
        var gate = new TaskCompletionSource<string>();
        Task<string>[] calls = [.. Enumerable.Range(0, Max).Select(_ => CallAsync("/shop.v1.OrderService/GetOrder", gate.Task))];
        await Assert.ThrowsAsync<RejectedException>(() => CallAsync("/shop.v1.OrderService/GetOrder", gate.Task));
        // What the sidecar and probes ask is not limited.
        foreach (var method in (string[])["/dapr.proto.runtime.v1.AppCallback/OnTopicEvent", "/grpc.health.v1.Health/Check"])
        {
            Assert.Equal("done", await CallAsync(method, Task.FromResult("done")));
        }
        gate.SetException(new TimeoutException("late"));
        foreach (var call in calls) await Assert.ThrowsAsync<TimeoutException>(() => call);
        Assert.Equal("done", await CallAsync("/shop.v1.OrderService/GetOrder", Task.FromResult("done")));

        Task<string> CallAsync(string method, Task<string> work) =>
            interceptor.UnaryServerHandler<string, string>("", new Call(method), (_, _) => work);
    }

    [Fact]
    public async Task Streams_are_limited_too()
    {
        var interceptor = new RequestLimitInterceptor(limits, lifetime);
        var gate = new TaskCompletionSource();
        Task[] streams = [.. Enumerable.Range(0, Max).Select(_ => StreamAsync(gate.Task))];
        await Assert.ThrowsAsync<RejectedException>(() => StreamAsync(gate.Task));
        gate.SetResult();
        await Task.WhenAll(streams);
        await StreamAsync(Task.CompletedTask);
        // Reflection and the watching of health are streams too, which take no place of the others.
        for (var at = 0; at < Max; at++) limits.EnterAnonymousStream();
        await StreamAsync(Task.CompletedTask);
        await Assert.ThrowsAsync<RejectedException>(() => interceptor.DuplexStreamingServerHandler<string, string>(
            null!, null!, new Call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), (_, _, _) => Task.CompletedTask));
        await Assert.ThrowsAsync<RejectedException>(() => interceptor.ServerStreamingServerHandler<string, string>(
            "", null!, new Call("/grpc.health.v1.Health/Watch"), (_, _, _) => Task.CompletedTask));

        Task StreamAsync(Task work) => interceptor.ServerStreamingServerHandler<string, string>(
            "", null!, new Call("/shop.v1.OrderService/WatchOrder"), (_, _, _) => work);
    }

    /// <summary>Reflection waits for the next request of a client that may never come.</summary>
    [Fact]
    public async Task A_stream_of_requests_ends_when_the_service_is_stopped()
    {
        var interceptor = new RequestLimitInterceptor(limits, lifetime);
        var isEnded = false;
        var stream = interceptor.DuplexStreamingServerHandler<string, string>(new Silent(), null!, new Call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            async (requests, _, _) => isEnded = !await requests.MoveNext(default));
        Assert.False(stream.IsCompleted);
        lifetime.StopApplication();
        await stream;
        Assert.True(isEnded);
    }

    private sealed class Silent : IAsyncStreamReader<string>
    {
        public string Current => "";

        public async Task<bool> MoveNext(CancellationToken ct)
        {
            await Task.Delay(Timeout.Infinite, ct);
            return true;
        }
    }

    [Fact]
    public async Task Over_HTTP_it_is_a_429_with_Retry_After()
    {
        var services = new ServiceCollection().AddSingleton(limits).AddLogging().BuildServiceProvider();
        for (var at = 0; at < Max; at++) limits.EnterRequest();
        var http = new DefaultHttpContext { RequestServices = services };
        using var body = new MemoryStream();
        http.Response.Body = body;
        var result = await RequestLimits.FilterRequestAsync(
            new DefaultEndpointFilterInvocationContext(http), _ => throw new InvalidOperationException("It must not be called."));
        await Assert.IsAssignableFrom<IResult>(result).ExecuteAsync(http);
        Assert.Equal(StatusCodes.Status429TooManyRequests, http.Response.StatusCode);
        Assert.Equal("1", http.Response.Headers.RetryAfter);
        Assert.Equal("application/problem+json", http.Response.ContentType);
        Assert.Contains("RESOURCE_EXHAUSTED", System.Text.Encoding.UTF8.GetString(body.ToArray()));
    }

    [Fact]
    public async Task A_rejection_of_a_handler_or_of_another_service_has_Retry_After_and_its_errors_over_HTTP_too()
    {
        var rejection = Rejection.Exhausted("too many open orders", TimeSpan.FromSeconds(2.5));
        var invalid = Rejection.Invalid([("page_size", "must be 0 to 1000, not -1.")]);
        Assert.Equal((429, "3", true), await AnswerAsync(new RejectedException(rejection), "too many open orders"));
        Assert.Equal((429, "3", true), await AnswerAsync(Remote(rejection), "too many open orders"));
        Assert.Equal((400, "", true), await AnswerAsync(Remote(invalid), "\"subject\":\"page_size\""));
        // Trailers of another server may be anything.
        Assert.Equal((429, "", true), await AnswerAsync(
            new RpcException(new(StatusCode.ResourceExhausted, "full"), new Metadata { { Rejection.DetailsTrailer, [255, 255] } }), "full"));

        static RpcException Remote(Rejection rejection) => new(new(rejection.Code, rejection.Message), new RejectedException(rejection).Trailers);

        static async Task<(int Status, string RetryAfter, bool HasText)> AnswerAsync(Exception thrown, string text)
        {
            using var body = new MemoryStream();
            var http = new DefaultHttpContext { RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider() };
            http.Response.Body = body;
            await (await ProblemDetails.AnswerAsync(() => throw thrown)).ExecuteAsync(http);
            return (http.Response.StatusCode, http.Response.Headers.RetryAfter.ToString(), System.Text.Encoding.UTF8.GetString(body.ToArray()).Contains(text));
        }
    }

    [Fact]
    public void A_user_has_at_most_so_many_open_orders_and_may_place_again_when_one_is_closed()
    {
        var shop = new OrdersAlone(Options);
        var (world, orders, limiter, placing) = (shop.World, shop.Orders, shop.Limiter, shop.Placing);
        Order[] placed = [.. Enumerable.Range(1, Max).Select(number => Hazards.ScriptedShop.OrderOf(number: number))];
        foreach (var order in placed) world.Run(() => placing.StoreAsync(order, default));
        var request = new PlaceOrderRequest { UserId = placed[0].UserId, Items = { new OrderItem { ProductId = "a", Quantity = 1 } } };
        var rejected = Assert.Throws<RejectedException>(() => world.Run(() => placing.PlaceAsync(request, Caller.Anyone, SagaPattern.Choreography, default)));
        Assert.Equal(StatusCode.ResourceExhausted, rejected.StatusCode);
        Assert.Contains("2 open orders", rejected.Status.Detail);

        Assert.Equal((Max, 0), (limiter.GetCount(placed[0].UserId), limiter.GetCount("another")));
        foreach (var order in placed)
        {
            world.Run(() => orders.ApplyAsync(order.Id, (kept, at) => OrderDecisions.Cancel(kept, "", at), default));
            foreach (var step in SagaSteps.Default.All)
            {
                world.Run(() => orders.ApplyAsync(order.Id, (kept, at) => OrderDecisions.StepCompensated(kept, step, undone: false, at), default));
            }
        }
        Assert.Equal((0, 0), (limiter.GetCount(placed[0].UserId), limiter.Count));
    }

    [Fact]
    public void Orders_that_are_being_placed_at_the_same_time_count_too()
    {
        var limiter = new OrdersAlone().Limiter;
        using var first = limiter.TryEnter("u1", max: 3, userMax: 2);
        using (var second = limiter.TryEnter("u1", max: 3, userMax: 2))
        {
            Assert.True(first is not null && second is not null);
            Assert.Null(limiter.TryEnter("u1", max: 3, userMax: 2));
            using var other = limiter.TryEnter("u2", max: 3, userMax: 2);
            Assert.NotNull(other);
            Assert.Null(limiter.TryEnter("u3", max: 3, userMax: 2));
        }
        Assert.Equal((1, 1), (limiter.Count, limiter.GetCount("u1")));
        using var third = limiter.TryEnter("u1", max: 3, userMax: 2);
        Assert.NotNull(third);
    }

    [Fact]
    public void All_users_together_have_at_most_so_many_open_orders()
    {
        var shop = new OrdersAlone(Read("OpenOrdersMax"));
        for (var number = 1; number <= Max; number++)
        {
            var order = Hazards.ScriptedShop.OrderOf(number: number) with { UserId = $"u{number}" };
            shop.World.Run(() => shop.Placing.StoreAsync(order, default));
        }
        var request = new PlaceOrderRequest { UserId = "another", Items = { new OrderItem { ProductId = "a", Quantity = 1 } } };
        var rejected = Assert.Throws<RejectedException>(() => shop.World.Run(() => shop.Placing.PlaceAsync(request, Caller.Anyone, SagaPattern.Choreography, default)));
        Assert.Equal(StatusCode.ResourceExhausted, rejected.StatusCode);
        Assert.StartsWith("2 orders are open", rejected.Status.Detail);
    }

    [Fact, Trait("Hazard", "H29")]
    public void An_order_that_is_closed_while_a_sweep_looks_at_it_is_not_counted_as_open()
    {
        var shop = new OrdersAlone(Options);
        var placed = Hazards.ScriptedShop.OrderOf(number: 1);
        shop.World.Run(() => shop.Placing.StoreAsync(placed, default));
        shop.World.Clock.AdvanceTo(shop.World.Clock.GetUtcNow() + 2 * Options.ResendAfter);
        // Between the read of the sweep and what it does about it.
        var key = $"orders||{Order.KeyOf(placed.Id)}";
        shop.BeforeVisit = () => shop.Store.TryWrite(key, placed with { Status = Orders.OrderStatus.Confirmed }, shop.Store.Read(key).ETag);
        shop.World.Run(async () =>
        {
            await shop.Sweep.RunAsync(default);
            return true;
        });
        Assert.Equal((0, 0), (shop.Limiter.GetCount(placed.UserId), shop.Limiter.Count));
        Assert.True(((Order)shop.Store.Read(key).Value!).IsClosed);
    }

    [Fact, Trait("Hazard", "H29")]
    public void An_order_that_another_instance_has_taken_over_is_counted_there_and_not_here()
    {
        var sleeper = new OrdersAlone();
        var heir = new OrdersAlone(beside: sleeper);
        var world = sleeper.World;
        Place(1);
        SweepOnce(heir);
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + OpenOrderLog.HeartbeatTimeout + TimeSpan.FromSeconds(1));
        SweepOnce(heir);
        Assert.Equal((1, 1), (sleeper.Limiter.Count, heir.Limiter.Count));

        // Its log is sealed, which it finds when it appends.
        Place(2);
        SweepOnce(sleeper);
        Assert.Equal((1, 1), (sleeper.Limiter.Count, heir.Limiter.Count));

        void Place(int number) => world.Run(() => sleeper.Placing.StoreAsync(Hazards.ScriptedShop.OrderOf(number: number) with
        {
            Placed = world.Clock.GetUtcNow(), Timeline = [new(world.Clock.GetUtcNow(), "order-created", "", Orders.OrderStatus.Pending, null)],
        }, default));

        void SweepOnce(OrdersAlone at) => world.Run(async () =>
        {
            await at.Sweep.RunAsync(default);
            return true;
        });
    }

    private static SagaOptions Read(params IEnumerable<string> limits) => SagaOptions.Read(new(new ConfigurationBuilder().AddInMemoryCollection(
        limits.Select(name => KeyValuePair.Create($"Saga:{name}", (string?)$"{Max}"))).Build()));
}
