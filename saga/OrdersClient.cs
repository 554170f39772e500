using Grpc.Core;
using Shop.V1;

namespace Saga;

/// <summary>What participants ask Orders, through the sidecars.</summary>
internal sealed class OrdersClient(SidecarChannel sidecar)
{
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    private readonly OrderService.OrderServiceClient orders = new(sidecar.To("orders"));

    /// <exception cref="RpcException">Orders does not answer.</exception>
    public async Task<OrderFate> FateAsync(string orderId, CancellationToken stop)
    {
        try
        {
            var answer = await orders.GetOrderAsync(new() { Order = orderId }, deadline: DateTime.UtcNow + AnswerMax, cancellationToken: stop);
            return answer.Order.Status switch
            {
                OrderStatus.Confirmed => OrderFate.Confirmed,
                OrderStatus.Failed => answer.Order.Settled ? OrderFate.Over : OrderFate.Failing,
                OrderStatus.Pending => OrderFate.Pending,
                OrderStatus.Unspecified or _ => throw new InvalidOperationException($"Orders answered {answer.Order.Status} for order {orderId}."),
            };
        }
        catch (RpcException unknown) when (unknown.StatusCode == StatusCode.NotFound)
        {
            return OrderFate.Over;
        }
    }
}
