using Grpc.Core;

namespace Orders;

/// <summary>The gRPC API of Orders.</summary>
internal sealed class OrderGrpcService(
    PlaceOrderHandler placing, PayOrderHandler paying, OrderStore orders, OrderListing listing, OrderQueries queries, OrderChanges changes, SagaSteps steps, IHostApplicationLifetime lifetime)
    : Shop.V1.OrderService.OrderServiceBase
{
    private const int StatusesMax = 10;

    [Allow(Role.User)]
    public override async Task<Shop.V1.PlaceOrderResponse> PlaceOrder(Shop.V1.PlaceOrderRequest request, ServerCallContext context) =>
        new() { Order = OrderMapping.From(await placing.PlaceAsync(request, Caller.Of(context), SagaPattern.Choreography, context.CancellationToken)) };

    [Allow(Role.User)]
    public override async Task<Shop.V1.PayOrderResponse> PayOrder(Shop.V1.PayOrderRequest request, ServerCallContext context)
    {
        new RequestCheck().Must(request.Order is not null, "order", "must be set.").ThrowIfInvalid();
        var order = await paying.PayAsync(request.Order!, Caller.Of(context), context.CancellationToken);
        return new()
        {
            Result = order.Status == OrderStatus.Confirmed ? Shop.V1.PayResult.Paid : Shop.V1.PayResult.Refused,
            Order = OrderMapping.From(order),
        };
    }

    [Allow(Role.User, Role.AnyApp)]
    public override async Task<Shop.V1.GetOrderResponse> GetOrder(Shop.V1.GetOrderRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var order = await queries.FindAsync(request.Order, caller, context.CancellationToken);
        // A participant that was removed still asks about what it holds; that there is no such order is an answer to it too.
        if (caller.AppId is { } app && !steps.Has(app) && order[Step.Of(app)] is null)
        {
            throw new RejectedException(new(StatusCode.PermissionDenied, $"The app '{app}' is no participant (Saga__Steps) and may not do this."));
        }
        return new() { Order = caller.AppId is null ? OrderMapping.From(order) : OrderMapping.WithoutRecipient(order) };
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.CancelOrderResponse> CancelOrder(Shop.V1.CancelOrderRequest request, ServerCallContext context)
    {
        new RequestCheck().Text("comment", request.Comment, 0, 200).ThrowIfInvalid();
        var stored = await queries.FindAsync(request.Order, Caller.Of(context), context.CancellationToken);
        var order = await orders.ApplyAsync(stored.Id, (current, at) => OrderDecisions.Cancel(current, request.Comment, at), context.CancellationToken);
        return order is { Status: OrderStatus.Failed, Failure.Reason: "CANCELLED" }
            ? new() { Order = OrderMapping.From(order) }
            : throw new RejectedException(Rejection.Precondition(($"order/{order.Id}", new FailureReason("ORDER_IS_FINAL",
                $"The order is {order.Status.ToString().ToUpperInvariant()} already; only a PENDING order can be cancelled."))));
    }

    [Allow(Role.User)]
    public override async Task WatchOrder(
        Shop.V1.WatchOrderRequest request, IServerStreamWriter<Shop.V1.WatchOrderResponse> responseStream, ServerCallContext context)
    {
        new RequestCheck().Range("after_revision", request.AfterRevision, 0, int.MaxValue).ThrowIfInvalid();
        var ct = context.CancellationToken;
        var (seen, found) = ((int)request.AfterRevision, await queries.FindAsync(request.Order, Caller.Of(context), ct));
        using var end = LinkToShutdown(context);
        try
        {
            await foreach (var order in queries.WatchAsync(found.Id, end.Token))
            {
                while (seen < order.Timeline.Length) await responseStream.WriteAsync(new() { Entry = OrderMapping.From(order, ++seen) }, ct);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new RejectedException(new(StatusCode.Unavailable, "The service is stopping; watch the order again."));
        }
    }

    [Allow(Role.Operator, Role.App + "console")]
    public override async Task WatchOrders(
        Shop.V1.WatchOrdersRequest request, IServerStreamWriter<Shop.V1.WatchOrdersResponse> responseStream, ServerCallContext context)
    {
        using var end = LinkToShutdown(context);
        try
        {
            await foreach (var batch in changes.WatchAsync(end.Token)) await responseStream.WriteAsync(batch, context.CancellationToken);
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            // The service is stopping.
        }
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.ExplainOrderResponse> ExplainOrder(Shop.V1.ExplainOrderRequest request, ServerCallContext context) =>
        queries.Explain(await queries.FindAsync(request.Order, Caller.Of(context), context.CancellationToken));

    public override async Task<Shop.V1.ListOpenOrdersResponse> ListOpenOrders(Shop.V1.ListOpenOrdersRequest request, ServerCallContext context)
    {
        new RequestCheck().Page(request.PageSize, "").ThrowIfInvalid();
        return await listing.ListOpenAsync(RequestCheck.GetPageSize(request.PageSize), context.CancellationToken);
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.ListOrdersResponse> ListOrders(Shop.V1.ListOrdersRequest request, ServerCallContext context)
    {
        PageCursor cursor = default;
        var check = new RequestCheck().Range("statuses", request.Statuses.Count, 0, StatusesMax);
        for (var at = 0; at < Math.Min(request.Statuses.Count, StatusesMax); at++) check.Known($"statuses[{at}]", request.Statuses[at]);
        check
            .Page(request.PageSize, "")
            .Must(PageCursor.TryParse(request.PageToken, out cursor), "page_token", $"'{request.PageToken}' is not a page token of an earlier answer.")
            .ThrowIfInvalid();
        return await listing.ListAsync(cursor, RequestCheck.GetPageSize(request.PageSize), [.. request.Statuses], Caller.Of(context), context.CancellationToken);
    }

    /// <summary>Cancelled by the caller, or when the service stops: an open stream would delay that.</summary>
    private CancellationTokenSource LinkToShutdown(ServerCallContext context) =>
        CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
}
