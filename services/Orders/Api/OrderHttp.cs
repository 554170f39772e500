using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Primitives;
using ProblemDetails = Saga.Hosting.ProblemDetails;

namespace Orders;

/// <summary>The HTTP and JSON API of Orders. Errors are problem details (RFC 9457).</summary>
internal static class OrderHttp
{
    /// <summary>Bytes of a body, at most: an order of 100 items with the longest texts has a fifth of it.</summary>
    private const int BodyMax = 256 * 1024;

    /// <summary>Characters of an answer that repeats a body, at most.</summary>
    private const int DetailMax = 250;

    private const string IdempotencyKeyHeader = "Idempotency-Key", Choreography = "choreography";

    public static void MapOrderHttp(this WebApplication app)
    {
        var api = app.MapGroup("/api/orders").AddEndpointFilter(SameOrigin.FilterBodyAsync).AddEndpointFilter(RequestLimits.FilterRequestAsync)
            .RequireAuthorization(new AllowAttribute(Role.User)).WithTags("Orders");
        api.MapPost($"/{Choreography}/{{publicId}}", PlaceAsync).WithMetadata(new RequestSizeLimitAttribute(BodyMax)).DescribePlaceOrder(IdempotencyKeyHeader);
        api.MapPost("/{publicId}", PayAsync).WithMetadata(new RequestSizeLimitAttribute(BodyMax)).DescribePayOrder(IdempotencyKeyHeader);
        api.MapGet("/{orderNumber}", GetAsync).DescribeGetOrder();
        api.MapMethods("/{orderNumber}", [HttpMethods.Head], GetAsync).ExcludeFromDescription();
    }

    /// <summary>Places an order, which is PENDING first. The saga confirms or fails it.</summary>
    /// <param name="publicId">The user who orders and pays.</param>
    internal static Task<IResult> PlaceAsync(string publicId, HttpRequest http, PlaceOrderHandler placing, CancellationToken ct) =>
        AnswerAsync(publicId, http, async (request, caller) =>
            Created(await placing.PlaceAsync(request, caller, SagaPattern.Choreography, ct)), ct);

    /// <summary>Places an order and carries it out before the answer, participant by participant: orchestration.</summary>
    /// <param name="publicId">The user who orders and pays.</param>
    internal static Task<IResult> PayAsync(string publicId, HttpRequest http, PayOrderHandler paying, CancellationToken ct) =>
        publicId == Choreography ? Task.FromResult(ProblemDetails.Create(StatusCodes.Status400BadRequest, "INVALID_ARGUMENT",
            $"The user is missing: POST /api/orders/{Choreography}/{{publicId}} places an order, and /api/orders/{{publicId}} pays one."))
        : AnswerAsync(publicId, http, async (request, caller) =>
        {
            var order = await paying.PayAsync(request, caller, ct);
            return order.Status == OrderStatus.Confirmed ? Created(order) : Refused(order);
        }, ct);

    private static IResult Created(Order order) =>
        TypedResults.Json(OrderJson.From(order), OrderJsonContext.Readable.OrderJson, statusCode: StatusCodes.Status201Created);

    /// <summary>Problem details with the order, which says what is undone.</summary>
    private static IResult Refused(Order order) => TypedResults.Json(
        new RefusedJson("about:blank", order.Failure!.Reason, StatusCodes.Status422UnprocessableEntity, order.Failure.Detail, [], OrderJson.WithoutRecipient(order)),
        OrderJsonContext.Readable.RefusedJson, "application/problem+json", StatusCodes.Status422UnprocessableEntity);

    /// <summary>Reads the body of an order strictly, and answers.</summary>
    private static async Task<IResult> AnswerAsync(
        string publicId, HttpRequest http, Func<Shop.V1.PlaceOrderRequest, Caller, Task<IResult>> answer, CancellationToken ct)
    {
        Shop.V1.PlaceOrderRequest request;
        try
        {
            request = JsonParser.Default.Parse<Shop.V1.PlaceOrderRequest>(JsonIds.QuoteNumbers(await http.ReadTextAsync(ct), Shop.V1.PlaceOrderRequest.Descriptor));
            SetIdempotencyKey(request, http.Headers[IdempotencyKeyHeader]);
        }
        catch (RejectedException rejected)
        {
            return ProblemDetails.Create(rejected.Rejection);
        }
        catch (Exception unreadable) when (unreadable is InvalidJsonException or InvalidProtocolBufferException)
        {
            return ProblemDetails.Create(StatusCodes.Status400BadRequest, "MALFORMED_BODY",
                Shortened.To(DetailMax, $"The body is not the JSON of an order: {unreadable.Message}"));
        }
        catch (DecoderFallbackException)
        {
            return ProblemDetails.Create(StatusCodes.Status400BadRequest, "MALFORMED_BODY", "The body is not UTF-8.");
        }
        catch (BadHttpRequestException refused)
        {
            return ProblemDetails.Create(refused);
        }
        if (request.UserId.Length > 0 && request.UserId != publicId)
        {
            return ProblemDetails.Create(StatusCodes.Status400BadRequest, "INVALID_ARGUMENT", "userId in the body is not the user in the path.");
        }
        request.UserId = publicId;
        return await ProblemDetails.AnswerAsync(() => answer(request, Caller.Of(http.HttpContext.User)));
    }

    /// <exception cref="RejectedException">There are several keys, an empty one, or another one in the body.</exception>
    private static void SetIdempotencyKey(Shop.V1.PlaceOrderRequest request, StringValues header)
    {
        if (header.Count == 0) return;
        var problem = header.Count > 1 ? $"must be one value, not {header.Count}."
            : string.IsNullOrWhiteSpace(header[0]) ? "must not be empty; leave the header out for an order without a key."
            : request.IdempotencyKey.Length > 0 && request.IdempotencyKey != header[0] ? "differs from idempotencyKey in the body."
            : null;
        if (problem is not null) throw new RejectedException(Rejection.Invalid([(IdempotencyKeyHeader, problem)]));
        request.IdempotencyKey = header[0];
    }

    /// <summary>An order as it is now.</summary>
    /// <param name="orderNumber">The order's number, or its id.</param>
    internal static Task<IResult> GetAsync(string orderNumber, HttpContext http, OrderQueries queries, CancellationToken ct) => ProblemDetails.AnswerAsync(async () =>
        TypedResults.Json(OrderJson.From(await queries.FindAsync(orderNumber, Caller.Of(http.User), ct, "orderNumber")), OrderJsonContext.Readable.OrderJson));
}

/// <summary>Pieces of one product.</summary>
/// <param name="UnitPrice">Won per piece, as it was when the order was placed.</param>
internal sealed record ItemJson(string ProductId, int Quantity, long UnitPrice);

/// <summary>What one participant has done for the order.</summary>
/// <param name="Step">STOCK, PAYMENT, COUPON, or the name of another participant.</param>
/// <param name="State">WAITING, DONE, REFUSED, UNDONE or SKIPPED.</param>
/// <param name="Reason">Why it failed, in UPPER_SNAKE_CASE. Absent unless it failed.</param>
/// <param name="Reference">The participant's own id of what it has done. Absent when it has done nothing.</param>
/// <param name="Compensated">True: the participant has answered order-failed.</param>
internal sealed record StepJson(string Step, string State, string? Reason, string? Reference, bool Compensated);

/// <summary>An order in JSON. Amounts in won, times in UTC.</summary>
/// <param name="OrderId">A UUID.</param>
/// <param name="OrderNumber">For people: ORD- and 28 characters of Crockford base32.</param>
/// <param name="Status">PENDING, CONFIRMED or FAILED.</param>
/// <param name="TotalAmount">The sum of the items.</param>
/// <param name="DiscountAmount">What the coupon takes off.</param>
/// <param name="FinalAmount">What is charged.</param>
/// <param name="UserCouponId">Absent: the order has no coupon.</param>
/// <param name="Reason">Why the order failed, in UPPER_SNAKE_CASE. Absent unless it did.</param>
/// <param name="Detail">The reason as a sentence. Absent unless the order failed.</param>
/// <param name="FinalTime">When it was confirmed or failed. Absent: it is pending.</param>
/// <param name="Revision">Changes of the order so far.</param>
/// <param name="IsClosed">True: nothing more will happen. Confirmed, or failed and compensated by every participant.</param>
/// <param name="Pattern">CHOREOGRAPHY or ORCHESTRATION.</param>
/// <param name="Result">Of an orchestrated order: PAID, REFUSED, or PENDING while it is carried out. Absent: it is a choreography.</param>
/// <param name="Compensation">How far a failed order is compensated, step by step. Absent unless it failed.</param>
internal sealed record OrderJson(
    string OrderId, string OrderNumber, string UserId, string Status, ItemJson[] Items, long TotalAmount, long DiscountAmount, long FinalAmount,
    string? UserCouponId, string RecipientName, string ShippingAddress, string ShippingPhone, StepJson[] Steps, string? Reason, string? Detail,
    DateTimeOffset PlacedTime, DateTimeOffset? FinalTime, long Revision, bool IsClosed, string Pattern, string? Result, string? Compensation)
{
    public static OrderJson WithoutRecipient(Order order) => From(order) with { RecipientName = "", ShippingAddress = "", ShippingPhone = "" };

    public static OrderJson From(Order order) => new(
        order.Id, Orders.OrderNumber.FromId(Guid.Parse(order.Id)), order.UserId, order.Status.ToString().ToUpperInvariant(),
        [.. order.Items.Select(item => new ItemJson(item.ProductId, item.Quantity, item.UnitPrice))],
        order.Amounts.Total, order.Amounts.Discount, order.Amounts.Final, order.UserCouponId,
        order.Delivery.RecipientName, order.Delivery.ShippingAddress, order.Delivery.ShippingPhone,
        [.. order.Steps.Select(step => new StepJson(step.Step.Code, step.State.ToString().ToUpperInvariant(),
            step.Rejection?.Reason, step.Reference, step.Compensated))],
        order.Failure?.Reason, order.Failure?.Detail, order.Placed, order.FinalAt, order.Timeline.Length, order.IsClosed,
        order.Pattern.ToString().ToUpperInvariant(),
        order.Pattern == SagaPattern.Choreography ? null : order.Status switch
        {
            OrderStatus.Confirmed => "PAID",
            OrderStatus.Failed => "REFUSED",
            OrderStatus.Pending or OrderStatus.Abandoned => "PENDING",
        },
        order.Status == OrderStatus.Failed ? Explanation.GetCompensation(order) : null);
}

/// <summary>Problem details (RFC 9457) of an order that was placed, and refused when it was carried out.</summary>
/// <param name="Title">The reason, in UPPER_SNAKE_CASE.</param>
/// <param name="Errors">Empty: title and detail have the one reason.</param>
/// <param name="Order">Without the recipient, since proxies and clients log errors. Its compensation says what is undone.</param>
internal sealed record RefusedJson(string Type, string Title, int Status, string Detail, ErrorJson[] Errors, OrderJson Order);

[JsonSerializable(typeof(OrderJson))]
[JsonSerializable(typeof(RefusedJson))]
internal sealed partial class OrderJsonContext : JsonSerializerContext
{
    /// <summary>Without escapes that only HTML needs.</summary>
    public static readonly OrderJsonContext Readable = new(new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
