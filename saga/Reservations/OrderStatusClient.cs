using Grpc.Core;
using Saga.Dapr;
using Shop.V1;

namespace Saga.Reservations;

/// <summary>Asks Orders for the outcome of an order, through the sidecars.</summary>
internal sealed class OrderStatusClient(SidecarChannel sidecar, TimeProvider clock)
{
    /// <summary>The app id of Orders.</summary>
    internal const string AppId = "orders";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly OrderService.OrderServiceClient orders = new(sidecar.To(AppId));

    /// <exception cref="RpcException">Orders does not answer within 5 s.</exception>
    public async Task<OrderOutcome> GetOutcomeAsync(string orderId, CancellationToken ct)
    {
        try
        {
            var answer = await orders.GetOrderAsync(new() { Order = orderId }, deadline: clock.GetUtcNow().UtcDateTime + Timeout, cancellationToken: ct);
            return answer.Order.Status switch
            {
                OrderStatus.Confirmed => OrderOutcome.Confirmed,
                OrderStatus.Failed => answer.Order.IsClosed ? OrderOutcome.Closed : OrderOutcome.Compensating,
                OrderStatus.Pending => OrderOutcome.Pending,
                OrderStatus.Unspecified or _ => throw new InvalidOperationException($"Orders answered {answer.Order.Status} for order {orderId}."),
            };
        }
        catch (RpcException unknown) when (unknown.StatusCode == StatusCode.NotFound)
        {
            return OrderOutcome.Unknown;
        }
    }
}
