using System.Text.Json;
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
    public void Whatever_a_publisher_sends_its_dead_letter_fits_into_a_call()
    {
        var letters = Letters();
        // In JSON each of these characters takes six bytes.
        var (huge, data) = (new string('\u0001', 700_000), ByteString.CopyFrom(new byte[5_000_000]));
        var envelope = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["id"] = huge, ["topic"] = huge, ["data"] = huge });
        foreach (var letter in (DeadLetter[])
        [
            world.Run(() => letters.StoreAsync(envelope, default)),
            world.Run(() => letters.StoreAsync(new Messaging.Delivery(huge, huge, data), huge, default)),
        ])
        {
            Assert.InRange(letter.EventId.Length, 1, DeadLetters.NameMax);
            Assert.InRange(letter.Topic.Length, 1, DeadLetters.NameMax);
            Assert.NotNull(world.Run(() => letters.FindAsync(letter.Id, default)));
        }
    }

    [Theory, InlineData('x'), InlineData('주')]
    public void Whatever_a_client_sends_the_rejection_fits_into_the_headers_that_every_client_accepts(char letter)
    {
        var text = new string(letter, 250);
        foreach (var rejection in (Rejection[])
        [
            Rejection.Invalid([.. Enumerable.Repeat((text[..100], text), 20)]),
            Rejection.Precondition([.. Enumerable.Repeat(("product/p", new FailureReason("OUT_OF_STOCK", text)), 100)]),
        ])
        {
            var details = new RejectedException(rejection).Trailers.GetValueBytes(Rejection.DetailsTrailer)!;
            Assert.InRange(GrpcMessage.Encode(rejection.Message).Length + 4 * details.Length / 3, 250, 8_000);
            Assert.Matches(@"And \d+ more\.$", rejection.Message);
        }
    }

    [Fact]
    public void What_a_corrupt_document_has_is_repeated_in_part()
    {
        var corrupt = new CorruptDocumentException($"order:x is corrupt: it is of order '{new string('주', 100_000)}'.");
        Assert.InRange(corrupt.Message.Length, 100, 1_000);
    }

    [Fact]
    public void A_list_has_the_oldest_dead_letters_and_counts_the_others()
    {
        var letters = Letters();
        string[] ids = [.. Enumerable.Range(1, 50).Select(number =>
        {
            world.Clock.AdvanceTo(world.Clock.GetUtcNow() + TimeSpan.FromSeconds(1));
            return world.Run(() => letters.StoreAsync(System.Text.Encoding.UTF8.GetBytes($"no event {number}"), default)).Id;
        })];
        var service = new Messaging.DeadLetterService(letters, new(), null!, new("stock"), world.Clock, NullLogger<Messaging.DeadLetterService>.Instance);
        var listed = world.Run(() => service.ListDeadLetters(new() { PageSize = 5 }, new CallContext()));
        Assert.Equal(ids[..5], listed.DeadLetters.Select(letter => letter.DeadLetterId));
        Assert.Equal(45, listed.More);
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
        var sidecar = new SimulatedSidecar(world, store, "stock", SagaHost.CreateJsonOptions(null), () => SidecarFaults.None, () => false, _ => { });
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
