using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Configuration;
using Orders;

namespace Saga.Tests;

/// <summary>An idempotency key places one order, and another one only when that is forgotten.</summary>
public sealed class PlacedKeyTests
{
    private static readonly Guid Key = OrderNumber.Derive("u", "k");

    private static readonly SagaOptions Options =
        SagaOptions.Read(new(new ConfigurationBuilder().AddInMemoryCollection([new("Saga:Batching", "false")]).Build()));

    private readonly OrdersAlone shop = new(precheck: new(
        Options, TimeProvider.System, new PrecheckClientTests.Stock(_ => StatusCode.OK), new PrecheckClientTests.Payments(), null!));

    private IEnumerable<Order> Placed => shop.Store.All<Order>("orders||order:");

    [Fact]
    public void A_key_places_one_order_however_often_it_is_used()
    {
        var first = Place();
        Assert.Equal(7, Guid.Parse(first).Version);
        Pass(TimeSpan.FromDays(6));
        Assert.Equal(first, Place());
        Assert.Equal([first], Placed.Select(order => order.Id));
    }

    [Fact]
    public void Concurrent_calls_with_a_key_place_one_order()
    {
        var ids = shop.World.Run(async () => await Task.WhenAll(PlaceAsync(), PlaceAsync(), PlaceAsync()));
        Assert.Single(ids.Select(order => order.Id).Distinct());
        Assert.Single(Placed);
    }

    [Fact]
    public void The_order_of_a_call_that_crashed_before_it_was_stored_is_placed_by_the_next()
    {
        var first = Place();
        shop.Store.Delete($"orders||{Order.KeyOf(first)}");
        Pass(TimeSpan.FromMinutes(5));
        Assert.Equal(first, Place());
        Assert.Single(Placed);
    }

    /// <summary>Participants may still have marks of the forgotten one, which would answer for another order of the same id.</summary>
    [Fact, Trait("Hazard", "H31")]
    public void A_key_whose_order_is_forgotten_places_another_with_another_id()
    {
        var first = Place();
        Pass(Retention.OfFinished + TimeSpan.FromMinutes(1));
        shop.Store.Delete($"orders||{Order.KeyOf(first)}");
        var second = Place();
        Assert.NotEqual(first, second);
        Assert.Equal(second, Place());

        // Long after the record of the key has expired too.
        Pass(PlacedKey.TimeToLive + Retention.OfFinished);
        shop.Store.Delete($"orders||{Order.KeyOf(second)}");
        shop.Store.Delete($"orders||{PlacedKey.KeyOf(Key)}");
        Assert.DoesNotContain(Place(), new[] { first, second });
    }

    [Fact]
    public void An_order_that_an_earlier_version_has_placed_with_the_key_is_found()
    {
        var older = Hazards.ScriptedShop.OrderOf() with { Id = $"{Key}", Content = Fingerprint.Of(Request.ToByteArray()) };
        shop.Store.TryWrite($"orders||{Order.KeyOf(older.Id)}", older, "");
        Assert.Equal(older.Id, Place());
        Assert.Single(Placed);
    }

    /// <summary>It expires after it was read, at any later operation of the call.</summary>
    [Fact]
    public void A_final_order_that_expires_meanwhile_is_not_placed_a_second_time()
    {
        var first = Place();
        var key = $"orders||{Order.KeyOf(first)}";
        for (var turns = 0; turns < 20; turns++)
        {
            var (stored, etag) = shop.Store.Read(key);
            var confirmed = ((Order?)stored ?? Hazards.ScriptedShop.OrderOf() with { Id = first, Content = Fingerprint.Of(Request.ToByteArray()) }) with
            {
                Status = OrderStatus.Confirmed,
            };
            Assert.True(shop.Store.TryWrite(key, confirmed, etag));
            shop.World.Run(async () =>
            {
                var placing = PlaceAsync();
                for (var turn = 0; turn < turns; turn++) await shop.World.TurnAsync(() => false);
                shop.Store.Delete(key);
                return await placing;
            });
            Assert.DoesNotContain(Placed, order => order.Status == OrderStatus.Confirmed);
        }
    }

    [Fact]
    public void A_coupon_is_refused_where_Coupons_is_no_step()
    {
        var without = new OrdersAlone(steps: SagaSteps.Of(["stock", "payments"]));
        var refused = Assert.Throws<RejectedException>(() => without.World.Run(() => without.Placing.PlaceAsync(
            new(Request) { UserCouponId = "c" }, Caller.Anyone, SagaPattern.Choreography, default)));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Empty(without.Store.All<Order>("orders||order:"));
    }

    [Fact]
    public void A_key_with_other_content_is_refused()
    {
        Place();
        var other = new Shop.V1.PlaceOrderRequest(Request) { RecipientName = "Mina" };
        Assert.Equal(StatusCode.AlreadyExists, Assert.Throws<RejectedException>(() => shop.World.Run(() => PlaceAsync(other))).StatusCode);
    }

    private static Shop.V1.PlaceOrderRequest Request => new()
    {
        UserId = "u", IdempotencyKey = "k", SkipPrecheck = true, Items = { new Shop.V1.OrderItem { ProductId = "p", Quantity = 1 } },
    };

    private string Place() => shop.World.Run(() => PlaceAsync()).Id;

    private Task<Order> PlaceAsync(Shop.V1.PlaceOrderRequest? request = null) =>
        shop.Placing.PlaceAsync(request ?? Request, Caller.Anyone, SagaPattern.Choreography, default);

    private void Pass(TimeSpan time) => shop.World.Clock.AdvanceTo(shop.World.Clock.GetUtcNow() + time);
}
