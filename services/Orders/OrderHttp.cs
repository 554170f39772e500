using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Http.HttpResults;
using Saga;
using Wire = Shop.V1;

namespace Orders;

/// <summary>The same over HTTP and JSON. Errors are problem details (RFC 9457).</summary>
internal static class OrderHttp
{
    public static void MapOrderHttp(this WebApplication app)
    {
        app.MapPost("/api/orders/choreography/{publicId}", PlaceAsync);
        app.MapGet("/api/orders/{orderNumber}", GetAsync);
    }

    /// <summary>Places an order for the user <paramref name="publicId"/>. The body is the JSON form of PlaceOrderRequest.</summary>
    private static async Task<IResult> PlaceAsync(string publicId, HttpRequest http, Placing placing, CancellationToken stop)
    {
        Wire.PlaceOrderRequest request;
        try
        {
            using var body = new StreamReader(http.Body);
            request = JsonParser.Default.Parse<Wire.PlaceOrderRequest>(await body.ReadToEndAsync(stop));
        }
        catch (Exception unreadable) when (unreadable is InvalidJsonException or InvalidProtocolBufferException)
        {
            return Problem(StatusCodes.Status400BadRequest, "MALFORMED_BODY", $"The body is not the JSON of an order: {unreadable.Message}", []);
        }
        if (request.UserId.Length > 0 && request.UserId != publicId)
        {
            return Problem(StatusCodes.Status400BadRequest, "INVALID_ARGUMENT", "userId in the body is not the user in the path.", []);
        }
        request.UserId = publicId;
        if (http.Headers.TryGetValue("Idempotency-Key", out var key)) request.IdempotencyKey = key.ToString();
        return await AnswerAsync(async () =>
        {
            var order = OrderJson.From(await placing.PlaceAsync(request, stop));
            return TypedResults.Json(order, OrderJsonContext.Readable.OrderJson, statusCode: StatusCodes.Status201Created);
        });
    }

    private static Task<IResult> GetAsync(string orderNumber, ISidecar sidecar, CancellationToken stop) => AnswerAsync(async () =>
    {
        new RequestCheck().Must(OrderNumber.TryParse(orderNumber, out var id, out var wrong), "orderNumber", $"'{orderNumber}' {wrong}").Done();
        var order = (await sidecar.ReadAsync<Order>(Order.KeyOf(id.ToString()), stop)).Value;
        if (order is null or { Status: OrderStatus.Void }) throw new RejectedException(Rejection.NotFound("order", orderNumber));
        return TypedResults.Json(OrderJson.From(order), OrderJsonContext.Readable.OrderJson);
    });

    private static async Task<IResult> AnswerAsync(Func<Task<JsonHttpResult<OrderJson>>> answer)
    {
        try
        {
            return await answer();
        }
        catch (RejectedException rejected)
        {
            var rejection = rejected.Rejection;
            var status = rejection.Code switch
            {
                StatusCode.InvalidArgument => StatusCodes.Status400BadRequest,
                StatusCode.NotFound => StatusCodes.Status404NotFound,
                StatusCode.AlreadyExists => StatusCodes.Status409Conflict,
                StatusCode.FailedPrecondition => StatusCodes.Status422UnprocessableEntity,
                _ => StatusCodes.Status500InternalServerError,
            };
            return Problem(status, rejection.Title, rejection.Message, rejection.Details.SelectMany(ErrorsOf));
        }
        catch (Exception fault) when (fault is Dapr.DaprException or RpcException)
        {
            return Problem(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE",
                "The sidecar, or what is behind it, did not answer; nothing is lost, try again.", []);
        }
    }

    private static IResult Problem(int status, string title, string detail, IEnumerable<ErrorJson> errors) => TypedResults.Json(
        new ProblemJson("about:blank", title, status, detail, [.. errors]), OrderJsonContext.Readable.ProblemJson, "application/problem+json", status);

    private static IEnumerable<ErrorJson> ErrorsOf(IMessage detail) => detail switch
    {
        Google.Rpc.BadRequest bad => bad.FieldViolations.Select(violation => new ErrorJson(violation.Field, violation.Description)),
        Google.Rpc.PreconditionFailure failure => failure.Violations.Select(violation =>
            new ErrorJson(violation.Subject, $"{violation.Type}: {violation.Description}")),
        Google.Rpc.ErrorInfo info => [new(info.Reason, string.Join(", ", info.Metadata.Select(pair => $"{pair.Key}={pair.Value}")))],
        _ => [],
    };
}

/// <summary>Problem details as RFC 9457 has them, with what is wrong in each place.</summary>
internal sealed record ProblemJson(string Type, string Title, int Status, string Detail, ErrorJson[] Errors);

internal sealed record ErrorJson(string Subject, string Description);

internal sealed record ItemJson(string ProductId, int Quantity, long UnitPrice);

internal sealed record StepJson(string Step, string State, string? Reason, string? Reference, bool Compensated);

/// <summary>An order in JSON. Amounts in won, times in UTC.</summary>
internal sealed record OrderJson(
    string OrderId, string OrderNumber, string UserId, string Status, ItemJson[] Items, long TotalAmount, long DiscountAmount, long FinalAmount,
    string? UserCouponId, string RecipientName, string ShippingAddress, string ShippingPhone, StepJson[] Steps, string? Reason, string? Detail,
    DateTimeOffset PlacedTime, DateTimeOffset? FinalTime, long Revision, bool Settled)
{
    public static OrderJson From(Order order) => new(
        order.Id, Orders.OrderNumber.Of(Guid.Parse(order.Id)), order.UserId, order.Status.ToString().ToUpperInvariant(),
        [.. order.Items.Select(item => new ItemJson(item.ProductId, item.Quantity, item.UnitPrice))],
        order.Amounts.Total, order.Amounts.Discount, order.Amounts.Final, order.UserCouponId,
        order.Delivery.RecipientName, order.Delivery.ShippingAddress, order.Delivery.ShippingPhone,
        [.. Order.Steps.Select(step => new StepJson(step.ToString().ToUpperInvariant(), order[step].State.ToString().ToUpperInvariant(),
            order[step].Refusal?.Reason, order[step].Reference, order[step].Compensated))],
        order.Failure?.Reason, order.Failure?.Detail, order.Placed, order.FinalAt, order.Timeline.Length, order.Settled);
}

[JsonSerializable(typeof(OrderJson))]
[JsonSerializable(typeof(ProblemJson))]
internal sealed partial class OrderJsonContext : JsonSerializerContext
{
    /// <summary>Without escapes for what only HTML would misread.</summary>
    public static readonly OrderJsonContext Readable = new(new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
