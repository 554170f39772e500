using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Integration.Console;
using Saga.Tests.Fuzz;
using Shop;
using Shop.Audits;
using Shop.V1;

namespace Integration.Fuzz;

/// <summary>
/// Broken gRPC messages and HTTP requests to the running services and to the console. Each is answered with a refusal or is valid; none ends in
/// INTERNAL, in a hang or in a stack trace, and the audit holds after each thousand.
/// </summary>
[Collection(nameof(OnEmbedded))]
public sealed class ProcessFuzzTests(EmbeddedShop shop)
{
    /// <summary>The part of all cases that runs here.</summary>
    private const double Share = 0.25;

    private const int Concurrency = 8, UnavailableMax = 2 * Concurrency;

    /// <summary>Characters of a segment of a path.</summary>
    private const int SegmentMax = 500;

    private const string User = "fuzz-u", ProductId = "fuzz-p", CouponId = "fuzz-c";

    private static readonly StatusCode[] Refusals =
        [StatusCode.OK, StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.AlreadyExists, StatusCode.FailedPrecondition];

    private static readonly StatusCode[] Transient = [StatusCode.Aborted, StatusCode.DeadlineExceeded, StatusCode.Unavailable];

    /// <summary>The ports of Orders and the participants in the run file.</summary>
    private static readonly string[] Services = ["5001", "5002", "5003", "5004"];

    private static readonly Regex OrderId = new("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

    private static readonly JsonParser Lenient = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <summary>Longer than two sweeps of a participant.</summary>
    private static readonly TimeSpan AuditTimeout = TimeSpan.FromSeconds(30), AuditInterval = TimeSpan.FromMilliseconds(200), Deadline = TimeSpan.FromSeconds(60), HttpTimeout = TimeSpan.FromSeconds(60);

    private readonly List<string> orders = [];
    private ShopSnapshot? snapshot;

    [Fact]
    public async Task A_request_is_refused_or_valid_and_the_audit_holds()
    {
        await FillAsync();
        await using var console = await ConsoleProcess.StartAsync(zipkin: "", shop.NamesFolder);
        var answers = new Dictionary<string, int>();
        foreach (var seed in FuzzSettings.Seeds(Share))
        {
            var workers = Enumerable.Range(0, Concurrency)
                .Select(worker => RunAsync(new Random(unchecked(seed * Concurrency + worker)), FuzzSettings.BatchSize / Concurrency, console.Address));
            try
            {
                var batch = await Task.WhenAll(workers);
                // A machine that stands still for a moment; a request that causes it would do so more often.
                Assert.InRange(batch.Sum(worker => worker.Count(answer => answer == "503")), 0, UnavailableMax);
                foreach (var worker in batch)
                {
                    foreach (var answer in worker) answers[answer] = answers.GetValueOrDefault(answer) + 1;
                }
                await AuditAsync();
            }
            catch (Exception broken)
            {
                Assert.Fail(FuzzSettings.Describe(seed, broken.Message, "Integration"));
            }
        }
        // Both happen: cases that are refused, and cases that are valid all the same.
        Assert.Superset(new HashSet<string> { "OK", "InvalidArgument", "NotFound", "200", "201", "400", "404" }, answers.Keys.ToHashSet());
        Assert.DoesNotContain("met a bug", shop.Output);
        await DiscardDeadLettersAsync();
    }

    /// <summary>Every invariant holds as soon as the last order is closed and settled.</summary>
    private async Task AuditAsync()
    {
        for (var until = DateTime.UtcNow + AuditTimeout; ; await Task.Delay(AuditInterval))
        {
            snapshot = await ShopSnapshot.ReadAsync(shop.Clients, snapshot, _ => { }, default);
            var broken = Audit.Evaluate(snapshot, Deadline).Where(invariant => !invariant.Holds).ToArray();
            if (broken.Length == 0) return;
            Assert.True(DateTime.UtcNow < until, string.Join("; ", broken.SelectMany(
                invariant => invariant.Discrepancies.Select(one => $"{invariant.Name}: {one.What}"))));
        }
    }

    /// <summary>Those of the deliveries: the tests after this one look at dead letters of their own.</summary>
    private async Task DiscardDeadLettersAsync()
    {
        foreach (var letters in shop.Clients.DeadLetters)
        {
            while ((await letters.ListDeadLettersAsync(new() { PageSize = 1000 })).DeadLetters is { Count: > 0 } waiting)
            {
                foreach (var letter in waiting) await letters.DiscardDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
            }
        }
    }

    private async Task FillAsync()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = ProductId, Name = "Fuzz", Price = 10, InitialStock = 1_000_000 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = User, InitialDeposit = 1_000_000_000 });
        await shop.Clients.Coupons.IssueCouponAsync(new()
        {
            UserCouponId = CouponId, UserId = User, AmountOff = 1, ValidUntil = Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
        });
        orders.Add((await shop.Clients.Orders.PlaceOrderAsync((PlaceOrderRequest)CreateValid(PlaceOrderRequest.Descriptor, new(0)))).Order.OrderId);
    }

    /// <returns>The status of each answer.</returns>
    private async Task<List<string>> RunAsync(Random random, int cases, string console)
    {
        var mutator = new Mutator(random);
        using var http = new HttpClient { BaseAddress = new(shop.AddressOf("8080")), Timeout = HttpTimeout };
        using var page = new HttpClient { BaseAddress = new(console), Timeout = HttpTimeout };
        List<string> answers = [];
        for (var at = 0; at < cases; at++)
        {
            answers.Add(await (random.Next(20) switch
            {
                < 4 => SendHttpAsync(http, CreateHttp(mutator, random)),
                4 => SendHttpAsync(page, CreateConsoleHttp(mutator)),
                _ => CallAsync(mutator, random),
            }));
        }
        return answers;
    }

    private async Task<string> CallAsync(Mutator mutator, Random random)
    {
        if (mutator.Happens(0.03)) return await CallMisspeltAsync(mutator);
        if (mutator.Happens(0.05)) return await CallAsync(mutator.Pick(Services), AppCallback.Descriptor.FindMethodByName("OnTopicEvent"), CreateDelivery(mutator, random));
        var (port, service) = mutator.Pick<(string, ServiceDescriptor)>(
        [
            (mutator.Pick(Services[1..]), ParticipantReflection.Descriptor.Services[0]),
            ("5001", OrdersReflection.Descriptor.Services[0]), ("5002", StockReflection.Descriptor.Services[0]),
            ("5003", PaymentsReflection.Descriptor.Services[0]), ("5004", CouponsReflection.Descriptor.Services[0]),
            (mutator.Pick(Services), DeadLettersReflection.Descriptor.Services[0]),
        ]);
        var method = mutator.Pick(service.Methods.ToArray());
        var valid = CreateValid(method.InputType, random);
        return await CallAsync(port, method, Break(valid, mutator));
    }

    /// <summary>A method in another spelling, which routing would take, is none.</summary>
    private async Task<string> CallMisspeltAsync(Mutator mutator)
    {
        var method = mutator.Pick([.. AppCallback.Descriptor.Methods, .. ParticipantReflection.Descriptor.Services[0].Methods, .. DeadLettersReflection.Descriptor.Services[0].Methods]);
        var (service, name) = (method.Service.FullName, method.Name);
        (service, name) = mutator.Pick<(string, string)>(
            [(service, $"{name}/"), (service, name.ToLowerInvariant()), (service.ToUpperInvariant(), name), ($"{char.ToUpperInvariant(service[0])}{service[1..]}", name)]);
        var refused = await Assert.ThrowsAsync<RpcException>(() => shop.CallRawAsync(mutator.Pick(Services[1..]), service, name, []));
        Assert.True(refused.StatusCode == StatusCode.Unimplemented, $"/{service}/{name} answered {refused.Status}");
        return $"{refused.StatusCode}";
    }

    private async Task<string> CallAsync(string port, MethodDescriptor method, byte[] request)
    {
        if (NamesAnotherOrder(request)) return "skipped";
        var status = StatusCode.OK;
        try
        {
            try
            {
                await shop.CallRawAsync(port, method.Service.FullName, method.Name, request);
            }
            catch (RpcException fault) when (Transient.Contains(fault.StatusCode))
            {
                // A machine that stands still for a moment; a request that causes it does so again.
                await shop.CallRawAsync(port, method.Service.FullName, method.Name, request);
            }
        }
        catch (RpcException refused)
        {
            status = refused.StatusCode;
            var start = Convert.ToHexString(request.AsSpan(0, Math.Min(500, request.Length)));
            Assert.True(Refusals.Contains(status), $"{method.FullName} answered {refused.Status} to {start}");
            Assert.DoesNotContain("   at ", refused.Status.Detail);
        }
        return status.ToString();
    }

    /// <summary>
    /// True: a participant may reserve for it, and hold that until it finds out that there is no such order, for longer than the audit waits.
    /// </summary>
    private bool NamesAnotherOrder(byte[] request) => OrderId.Matches(Encoding.Latin1.GetString(request)).Any(match => match.Value != orders[0]);

    /// <summary>What a sidecar would deliver, with a broken event or as broken bytes.</summary>
    private byte[] CreateDelivery(Mutator mutator, Random random)
    {
        var type = mutator.Pick(EventsReflection.Descriptor.MessageTypes.Where(type => type.Name.EndsWith("Event", StringComparison.Ordinal)).ToArray());
        var e = Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(CreateValid(type, random)));
        var delivery = new TopicEventRequest
        {
            Id = $"{orders[0]}/{type.Name}", Topic = mutator.Pick(["order-created", "order-confirmed", "order-failed", "stock-reserved", "payment-failed", "stock-dead"]),
            PubsubName = "pubsub", Data = ByteString.CopyFrom(mutator.Structure(e)),
        };
        return mutator.Happens(0.5) ? delivery.ToByteArray() : mutator.Bytes(delivery.ToByteArray());
    }

    /// <summary>The valid request, or one with broken fields, or broken bytes.</summary>
    private static byte[] Break(IMessage valid, Mutator mutator)
    {
        if (mutator.Happens(0.05)) return valid.ToByteArray();
        if (mutator.Happens(0.3)) return mutator.Bytes(valid.ToByteArray());
        try
        {
            return Lenient.Parse(Encoding.UTF8.GetString(mutator.Structure(Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(valid)))), valid.Descriptor)
                .ToByteArray();
        }
        catch (Exception unreadable) when (unreadable is InvalidProtocolBufferException or InvalidJsonException or EncoderFallbackException or ArgumentException)
        {
            return mutator.Bytes(valid.ToByteArray());
        }
    }

    /// <summary>A message whose fields have values that the shop knows, so that most mutations hit one thing only.</summary>
    private IMessage CreateValid(MessageDescriptor type, Random random)
    {
        var message = type.Parser.ParseFrom(ByteString.Empty);
        foreach (var field in type.Fields.InDeclarationOrder().Where(field => field.ContainingOneof is null || random.Next(2) == 0))
        {
            if (field.IsRepeated) ((System.Collections.IList)field.Accessor.GetValue(message)).Add(CreateValue(field, random));
            else field.Accessor.SetValue(message, CreateValue(field, random));
        }
        return message;
    }

    private object CreateValue(FieldDescriptor field, Random random) => field.FieldType switch
    {
        FieldType.String => field.Name switch
        {
            "user_id" or "user_ids" => User,
            "product_id" or "product_ids" => ProductId,
            "user_coupon_id" or "user_coupon_ids" => CouponId,
            "order" or "order_id" => orders.Count > 0 ? orders[0] : "",
            "idempotency_key" => $"fuzz-{random.Next(1_000_000)}",
            "dead_letter_id" => "0123456789abcdef",
            "page_token" => "",
            _ => "fuzz",
        },
        FieldType.Bool => random.Next(2) == 0,
        FieldType.Int32 => 1,
        FieldType.Int64 => 10L,
        FieldType.Enum => field.EnumType.Values[^1].Number,
        FieldType.Message when field.MessageType.FullName == "google.protobuf.Timestamp" => Timestamp.FromDateTime(DateTime.UtcNow.AddDays(1)),
        FieldType.Message => CreateValid(field.MessageType, random),
        _ => throw new NotSupportedException($"{field.FullName} is a {field.FieldType}."),
    };

    private static async Task<string> SendHttpAsync(HttpClient http, HttpRequestMessage request)
    {
        using var sent = request;
        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True((int)answer.StatusCode is < 500 or 503, $"{request.Method} {request.RequestUri} answered {(int)answer.StatusCode}: {text}");
        Assert.True((int)answer.StatusCode < 400 || text.Length > 0, $"{request.Method} {request.RequestUri} answered {(int)answer.StatusCode} without a body.");
        Assert.DoesNotContain("   at ", text);
        return $"{(int)answer.StatusCode}";
    }

    /// <summary>
    /// A broken segment of a path. Without NUL and not long: that is no HTTP request, and answered with the status alone (StrictHttpTests).
    /// </summary>
    private static string BreakSegment(string valid, Mutator mutator)
    {
        var segment = Encoding.Latin1.GetString(mutator.Bytes(Encoding.UTF8.GetBytes(valid))).Replace("\0", "", StringComparison.Ordinal);
        return Uri.EscapeDataString(segment[..Math.Min(segment.Length, SegmentMax)]);
    }

    /// <summary>Without the streams, which do not end.</summary>
    private HttpRequestMessage CreateConsoleHttp(Mutator mutator)
    {
        const string Api = "/api/console";
        if (mutator.Happens(0.4))
        {
            var query = mutator.Pick(["status", "pageSize", "pageToken", "status=PENDING&pageSize"]);
            return new(HttpMethod.Get, mutator.Happens(0.5) ? $"{Api}/orders?{query}={BreakSegment("1", mutator)}" : $"{Api}/orders/{BreakSegment(orders[0], mutator)}");
        }
        var path = mutator.Happens(0.5) ? "orders" : $"dead-letters/{BreakSegment("stock", mutator)}/{BreakSegment("0123456789abcdef", mutator)}/discard";
        var request = new HttpRequestMessage(HttpMethod.Post, $"{Api}/{path}")
        {
            Content = new ByteArrayContent(mutator.Structure("""{"quantity":1,"balance":100000,"coupon":"NONE","skipPrecheck":true}"""u8.ToArray())),
        };
        request.Content.Headers.ContentType = new("application/json");
        return request;
    }

    private HttpRequestMessage CreateHttp(Mutator mutator, Random random)
    {
        if (mutator.Happens(0.2))
        {
            return new(mutator.Pick([HttpMethod.Get, HttpMethod.Put, HttpMethod.Options]), $"/api/orders/{BreakSegment(orders[0], mutator)}");
        }
        var user = mutator.Happens(0.9) ? User : BreakSegment(User, mutator);
        var order = (PlaceOrderRequest)CreateValid(PlaceOrderRequest.Descriptor, random);
        order.UserId = "";
        var valid = Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(order));
        var body = mutator.Happens(0.1) ? valid : mutator.Happens(0.4) ? mutator.Bytes(valid) : mutator.Structure(valid);
        var request = new HttpRequestMessage(HttpMethod.Post, $"/api/orders/{(mutator.Happens(0.7) ? "choreography/" : "")}{user}") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = mutator.Happens(0.95) ? new("application/json") : new MediaTypeHeaderValue("text/plain");
        if (mutator.Happens(0.1)) request.Headers.TryAddWithoutValidation("Idempotency-Key", mutator.Pick(["", " ", "a", new string('k', 300), "a,b"]));
        if (mutator.Happens(0.05)) request.Headers.TryAddWithoutValidation("Origin", "http://evil.example");
        return request;
    }
}
