using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Shop.V1;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests.Fuzz;

/// <summary>Broken events on every topic, and broken envelopes on the dead-letter topic.</summary>
public sealed class EventFuzzTests
{
    private const int ReasonMax = 2_000;

    /// <summary>The parsers of all topics, as the subscriptions use them.</summary>
    private static readonly Dictionary<string, Func<ByteString, IMessage>> Parsers = new()
    {
        ["order-created"] = OutgoingEvent.FromJson<OrderCreatedEvent>,
        ["order-confirmed"] = OutgoingEvent.FromJson<OrderConfirmedEvent>,
        ["order-failed"] = OutgoingEvent.FromJson<OrderFailedEvent>,
        ["stock-reserved"] = OutgoingEvent.FromJson<StockReservedEvent>,
        ["stock-reservation-failed"] = OutgoingEvent.FromJson<StockReservationFailedEvent>,
        ["stock-released"] = OutgoingEvent.FromJson<StockReleasedEvent>,
        ["payment-completed"] = OutgoingEvent.FromJson<PaymentCompletedEvent>,
        ["payment-failed"] = OutgoingEvent.FromJson<PaymentFailedEvent>,
        ["payment-refunded"] = OutgoingEvent.FromJson<PaymentRefundedEvent>,
        ["coupon-used"] = OutgoingEvent.FromJson<CouponUsedEvent>,
        ["coupon-usage-failed"] = OutgoingEvent.FromJson<CouponUsageFailedEvent>,
        ["coupon-restored"] = OutgoingEvent.FromJson<CouponRestoredEvent>,
    };

    [Fact]
    public void A_delivery_is_handled_or_becomes_a_dead_letter_with_a_reason_and_totals_are_conserved()
    {
        var counts = FuzzBatches.Run(0.25, seed => new DeliveryBatch(seed).Run());
        var (unreadable, readable, envelopes) = (counts[0], counts[1], counts[2]);
        Assert.True(unreadable > 0 && readable > 0 && envelopes > 0, $"{unreadable} unreadable, {readable} readable, {envelopes} envelopes");
    }

    [Fact]
    public void Bytes_are_parsed_or_refused_and_no_parser_throws_anything_else()
    {
        var counts = FuzzBatches.Run(0.7, seed =>
        {
            var random = new Random(seed);
            var mutator = new Mutator(random);
            var (parsed, refused) = (0, 0);
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var message = mutator.Pick(ValidEvents.Of(NewOrderId(random), "u", "c0", random));
                var e = new OutgoingEvent(NewOrderId(random), message);
                var bytes = mutator.Happens(0.5) ? mutator.Bytes(e.ToJson()) : mutator.Structure(e.ToJson());
                try
                {
                    var read = Parsers[e.Topic](ByteString.CopyFrom(bytes));
                    // What was understood is written and read again without a loss.
                    Assert.True(read.Equals(Parsers[e.Topic](ByteString.CopyFrom(new OutgoingEvent(e.OrderId, read).ToJson()))));
                    parsed++;
                }
                catch (UnreadableEventException unreadable)
                {
                    Assert.NotEmpty(unreadable.Message);
                    refused++;
                }
                var envelope = Envelope(e, e.ToJson(), mutator);
                if (CloudEvent.Parse(mutator.Happens(0.5) ? mutator.Bytes(envelope) : mutator.Structure(envelope)) is { } found)
                {
                    Assert.True(found.TraceId is null || found.TraceId.Length == 32 && found.TraceId.All(char.IsAsciiHexDigitLower), found.TraceId);
                    parsed++;
                }
                else refused++;
            }
            return [parsed, refused];
        });
        Assert.True(counts[0] > 0 && counts[1] > 0, $"{counts[0]} parsed, {counts[1]} refused");
    }

    private static string NewOrderId(Random random)
    {
        Span<byte> bytes = stackalloc byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes).ToString();
    }

    /// <summary>An event as the dead-letter topic delivers it.</summary>
    private static byte[] Envelope(OutgoingEvent e, byte[] data, Mutator mutator)
    {
        var envelope = new JsonObject
        {
            ["id"] = e.Id, ["topic"] = e.Topic, ["specversion"] = "1.0", ["type"] = e.Type, ["time"] = "2030-01-01T00:00:00Z",
            ["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        };
        switch (mutator.Pick([0, 1, 2]))
        {
            case 0:
                envelope["data_base64"] = Convert.ToBase64String(data);
                break;
            case 1:
                envelope["data"] = Encoding.UTF8.GetString(data);
                break;
            default:
                envelope["data"] = JsonNode.Parse(e.ToJson());
                break;
        }
        return Encoding.UTF8.GetBytes(envelope.ToJsonString());
    }

    private static bool IsReadable(string topic, ByteString data)
    {
        try
        {
            EventRules.Read(topic, () => Parsers[topic](data));
            return true;
        }
        catch (UnreadableEventException)
        {
            return false;
        }
    }

    /// <summary>A thousand deliveries to one shop, in which real orders are under way.</summary>
    private sealed class DeliveryBatch
    {
        private readonly Random random;
        private readonly Mutator mutator;
        private readonly FuzzedShop shop;
        private readonly List<string> orders = [];
        private int unreadable, readable, envelopes;

        public DeliveryBatch(int seed)
        {
            random = new(seed);
            mutator = new(random);
            shop = new(seed);
        }

        public int[] Run()
        {
            var before = shop.Totals();
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var step = "";
                try
                {
                    RunCase(at, out step);
                }
                catch (Exception problem)
                {
                    throw new InvalidOperationException($"Case {at}: {step}", problem);
                }
            }
            Assert.Equal(before, shop.Totals());
            Assert.Empty(shop.Audit());
            return [unreadable, readable, envelopes];
        }

        private void RunCase(int at, out string step)
        {
            step = "";
            if (at % 25 == 0) PlaceOrder(at / 25);
            if (at % 200 == 199)
            {
                foreach (var app in FuzzedShop.Apps) Assert.Null(shop.Sweep(app));
            }
            if (mutator.Happens(0.2) && shop.Waiting.Count > 0)
            {
                var index = random.Next(shop.Waiting.Count);
                var (app, e) = shop.Waiting[index];
                if (mutator.Happens(0.8)) shop.Waiting.RemoveAt(index);
                Deliver(app, e.Topic, e.Id, e.ToJson(), out step);
                return;
            }
            var chosen = Choose();
            var valid = chosen.ToJson();
            var data = random.Next(10) switch
            {
                0 => valid,
                < 5 => mutator.Bytes(valid),
                _ => mutator.Structure(valid),
            };
            switch (random.Next(20))
            {
                case 0:
                    Deliver(mutator.Pick(FuzzedShop.Apps), mutator.Pick(["", "no-such-topic", "orders-dead", "ORDER-CREATED"]), chosen.Id, data, out step);
                    break;
                case < 4:
                    var envelope = Envelope(chosen, mutator.Happens(0.5) ? data : valid, mutator);
                    DeliverDeadLetter(mutator.Pick(FuzzedShop.Apps), mutator.Happens(0.5) ? envelope : mutator.Happens(0.5)
                        ? mutator.Bytes(envelope) : mutator.Structure(envelope), out step);
                    break;
                default:
                    // In JSON each of these characters takes six bytes.
                    var id = mutator.Happens(0.995) ? chosen.Id : new('\u0001', 1_000_000);
                    Deliver(mutator.Pick([.. shop.SubscribersOf(chosen.Topic)]), chosen.Topic, id, data, out step);
                    break;
            }
        }

        private void PlaceOrder(int number)
        {
            var (user, coupon) = (random.Next(2) == 0 ? "u" : "v", random.Next(2) == 0 ? $"c{random.Next(10)}" : null);
            orders.Add(shop.Place(number + 1, user, coupon, (mutator.Pick(["a", "b"]), random.Next(1, 6)), ("c", random.Next(1, 4))).Id);
        }

        /// <summary>An event that was published, or another valid one about a known or an unknown order.</summary>
        private OutgoingEvent Choose()
        {
            if (mutator.Happens(0.4)) return mutator.Pick(shop.Published);
            var order = mutator.Happens(0.8) ? mutator.Pick(orders) : NewOrderId(random);
            return new(order, mutator.Pick(ValidEvents.Of(order, mutator.Pick(["u", "v", "w"]), mutator.Happens(0.5) ? $"c{random.Next(12)}" : null, random)));
        }

        private void Deliver(string app, string topic, string eventId, byte[] data, out string step)
        {
            step = $"{app} {topic} {Shortened.To(100, eventId)} {Convert.ToBase64String(data.AsSpan(0, Math.Min(data.Length, 4_000)))}";
            var (payload, letters) = (ByteString.CopyFrom(data), shop.Letters.Count);
            var isReadable = shop.TopicsOf(app).Contains(topic) && IsReadable(topic, payload);
            Assert.Equal(Status.Success, shop.Deliver(app, new Delivery(topic, eventId, payload)));
            Assert.Empty(shop.Bugs);
            if (!isReadable) Assert.Equal(letters + 1, shop.Letters.Count);
            foreach (var letter in shop.Letters.Skip(letters))
            {
                Assert.Equal((topic, Shortened.To(DeadLetters.NameMax, eventId)), (letter.Topic, letter.EventId));
                Assert.True(data.AsSpan().SequenceEqual(letter.Data));
                Assert.InRange(letter.Problem!.Length, 1, ReasonMax);
            }
            if (isReadable) readable++;
            else unreadable++;
        }

        private void DeliverDeadLetter(string app, byte[] envelope, out string step)
        {
            step = $"{app} dead letter {Convert.ToBase64String(envelope.AsSpan(0, Math.Min(envelope.Length, 4_000)))}";
            var letters = shop.Letters.Count;
            Assert.Equal(Status.Success, shop.Deliver(app, new Delivery(new AppId(app).DeadLetterTopic, "id", ByteString.CopyFrom(envelope))));
            Assert.Empty(shop.Bugs);
            var letter = Assert.Single(shop.Letters.Skip(letters));
            if (letter.Topic.Length == 0 && letter.EventId.Length == 0) Assert.True(envelope.AsSpan().SequenceEqual(letter.Data));
            envelopes++;
        }
    }
}
