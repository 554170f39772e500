using Grpc.Core;
using Shop.V1;

namespace Saga;

/// <summary>What participants ask Orders, through the sidecars.</summary>
internal sealed class OrderStatusClient(SidecarChannel sidecar)
{
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    private readonly OrderService.OrderServiceClient orders = new(sidecar.To("orders"));

    /// <exception cref="RpcException">Orders does not answer.</exception>
    public async Task<OrderOutcome> GetOutcomeAsync(string orderId, CancellationToken ct)
    {
        try
        {
            var answer = await orders.GetOrderAsync(new() { Order = orderId }, deadline: DateTime.UtcNow + AnswerMax, cancellationToken: ct);
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
            return OrderOutcome.Closed;
        }
    }
}
