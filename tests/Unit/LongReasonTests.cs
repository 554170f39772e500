using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;

namespace Saga.Tests;

/// <summary>What a publisher sends is repeated in reasons, but never at full length: a dead letter must not hide the others.</summary>
public sealed class LongReasonTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();

    [Fact]
    public void An_event_that_is_wrong_in_very_many_places_has_a_short_reason()
    {
        var created = new OrderCreatedEvent { Items = { Enumerable.Range(0, 20_000).Select(_ => new OrderLine { ProductId = new('x', 100) }) } };
        var reason = EventRules.Violations(created);
        Assert.InRange(reason.Length, 1, 10_000);
        Assert.StartsWith("order_id: ", reason);
    }

    [Fact]
    public void A_value_that_is_repeated_in_a_reason_is_shortened()
    {
        var id = new string('x', 100_000);
        var reason = new RequestCheck().Must(false, id, $"has '{id}' twice.").Violations[0];
        Assert.InRange(reason.Field.Length, 1, 250);
        Assert.InRange(reason.Description.Length, 1, 250);
    }

    [Fact]
    public void A_text_is_not_cut_within_a_surrogate_pair()
    {
        Assert.Equal("abc...", Shortened.To(7, "abc😀😀d"));
        Assert.Equal("abc😀", Shortened.To(7, "abc😀"));
    }

    [Fact]
    public void A_huge_dead_letter_hides_no_other_from_the_operator()
    {
        var letters = Letters();
        var huge = new string('x', 2_000_000);
        foreach (var payload in (string[])
        [
            $"{{\"id\":\"{huge}\",\"topic\":\"{huge}\",\"data\":{{}}}}",
            $"{{\"id\":\"x/y\",\"topic\":\"order-created\",\"data\":{{\"items\":[{string.Join(',', Enumerable.Repeat("{}", 50_000))}]}}}}",
            $"{{\"id\":\"x/y\",\"topic\":\"order-created\",\"data\":{{\"orderId\":\"{huge}\",\"totalAmount\":\"{huge}\"}}}}",
            "small",
        ])
        {
            world.Run(() => letters.StoreAsync(System.Text.Encoding.UTF8.GetBytes(payload), default));
        }
        var subscriptions = new Subscriptions().On<OrderCreatedEvent>((_, _) => Task.CompletedTask);
        var service = new Messaging.DeadLetterService(letters, subscriptions, null!, new("stock"), world.Clock, NullLogger<Messaging.DeadLetterService>.Instance);
        var listed = world.Run(() => service.ListDeadLetters(new(), new CallContext()));
        Assert.Equal((4, 0), (listed.DeadLetters.Count, listed.More));
        Assert.InRange(listed.CalculateSize(), 1, 40_000);
        foreach (var letter in listed.DeadLetters)
        {
            var refused = Assert.Throws<RejectedException>(() => world.Run(() => service.RedriveDeadLetter(new() { DeadLetterId = letter.DeadLetterId }, new CallContext())));
            Assert.InRange(refused.Status.Detail.Length, 1, 3_000);
        }
    }

    private DeadLetters Letters()
    {
        var sidecar = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
        var documents = DocumentStore.Create(sidecar, new(world.Clock, world.Chance));
        return new(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
    }

    private sealed class CallContext : ServerCallContext
    {
        protected override string MethodCore => "";

        protected override string HostCore => "";

        protected override string PeerCore => "";

        protected override DateTime DeadlineCore => DateTime.MaxValue;

        protected override Metadata RequestHeadersCore { get; } = [];

        protected override CancellationToken CancellationTokenCore => default;

        protected override Metadata ResponseTrailersCore { get; } = [];

        protected override Status StatusCore { get; set; }

        protected override WriteOptions? WriteOptionsCore { get; set; }

        protected override AuthContext AuthContextCore => new(null, []);

        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();

        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }
}
