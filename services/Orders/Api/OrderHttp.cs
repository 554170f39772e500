using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Wire = Shop.V1;

namespace Orders;

/// <summary>The HTTP and JSON API of Orders. Errors are problem details (RFC 9457).</summary>
internal static class OrderHttp
{
    public static void MapOrderHttp(this WebApplication app)
    {
        app.MapPost("/api/orders/choreography/{publicId}", PlaceAsync);
        app.MapGet("/api/orders/{orderNumber}", GetAsync);
    }

    /// <summary>
    /// Places an order for the user <paramref name="publicId"/>. The body is the JSON form of PlaceOrderRequest, in which ids may be numbers.
    /// </summary>
    private static async Task<IResult> PlaceAsync(string publicId, HttpRequest http, PlaceOrderHandler placing, CancellationToken ct)
    {
        Wire.PlaceOrderRequest request;
        try
        {
            using var body = new StreamReader(http.Body);
            request = JsonParser.Default.Parse<Wire.PlaceOrderRequest>(JsonIds.QuoteNumbers(await body.ReadToEndAsync(ct), Wire.PlaceOrderRequest.Descriptor));
        }
        catch (RejectedException rejected)
        {
            return ProblemDetails.Create(rejected.Rejection);
        }
        catch (Exception unreadable) when (unreadable is InvalidJsonException or InvalidProtocolBufferException)
        {
            return ProblemDetails.Create(StatusCodes.Status400BadRequest, "MALFORMED_BODY", $"The body is not the JSON of an order: {unreadable.Message}");
        }
        if (request.UserId.Length > 0 && request.UserId != publicId)
        {
            return ProblemDetails.Create(StatusCodes.Status400BadRequest, "INVALID_ARGUMENT", "userId in the body is not the user in the path.");
        }
        request.UserId = publicId;
        if (http.Headers.TryGetValue("Idempotency-Key", out var key)) request.IdempotencyKey = key.ToString();
        return await ProblemDetails.AnswerAsync(async () =>
        {
            var order = OrderJson.From(await placing.PlaceAsync(request, ct));
            return TypedResults.Json(order, OrderJsonContext.Readable.OrderJson, statusCode: StatusCodes.Status201Created);
        });
    }

    private static Task<IResult> GetAsync(string orderNumber, OrderQueries queries, CancellationToken ct) => ProblemDetails.AnswerAsync(async () =>
        TypedResults.Json(OrderJson.From(await queries.FindAsync(orderNumber, ct, "orderNumber")), OrderJsonContext.Readable.OrderJson));
}

internal sealed record ItemJson(string ProductId, int Quantity, long UnitPrice);

internal sealed record StepJson(string Step, string State, string? Reason, string? Reference, bool Compensated);

/// <summary>An order in JSON. Amounts in won, times in UTC.</summary>
internal sealed record OrderJson(
    string OrderId, string OrderNumber, string UserId, string Status, ItemJson[] Items, long TotalAmount, long DiscountAmount, long FinalAmount,
    string? UserCouponId, string RecipientName, string ShippingAddress, string ShippingPhone, StepJson[] Steps, string? Reason, string? Detail,
    DateTimeOffset PlacedTime, DateTimeOffset? FinalTime, long Revision, bool IsClosed)
{
    public static OrderJson From(Order order) => new(
        order.Id, Orders.OrderNumber.FromId(Guid.Parse(order.Id)), order.UserId, order.Status.ToString().ToUpperInvariant(),
        [.. order.Items.Select(item => new ItemJson(item.ProductId, item.Quantity, item.UnitPrice))],
        order.Amounts.Total, order.Amounts.Discount, order.Amounts.Final, order.UserCouponId,
        order.Delivery.RecipientName, order.Delivery.ShippingAddress, order.Delivery.ShippingPhone,
        [.. Order.Steps.Select(step => new StepJson(step.ToString().ToUpperInvariant(), order[step].State.ToString().ToUpperInvariant(),
            order[step].Rejection?.Reason, order[step].Reference, order[step].Compensated))],
        order.Failure?.Reason, order.Failure?.Detail, order.Placed, order.FinalAt, order.Timeline.Length, order.IsClosed);
}

[JsonSerializable(typeof(OrderJson))]
internal sealed partial class OrderJsonContext : JsonSerializerContext
{
    /// <summary>Without escapes that only HTML needs.</summary>
    public static readonly OrderJsonContext Readable = new(new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
