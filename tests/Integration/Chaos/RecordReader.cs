using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>What is there under an order's id; null when there is nothing.</summary>
internal sealed class RecordReader(ShopClients shop, RetryingClient retrying)
{
    public async Task<Order?> OrderAsync(string id) =>
        (await OrNullAsync(options => shop.Orders.GetOrderAsync(new() { Order = id }, options)))?.Order;

    public async Task<Reservation?> ReservationAsync(string orderId) =>
        (await OrNullAsync(options => shop.Stock.GetReservationAsync(new() { OrderId = orderId }, options)))?.Reservation;

    public async Task<Payment?> PaymentAsync(string orderId) =>
        (await OrNullAsync(options => shop.Payments.GetPaymentAsync(new() { OrderId = orderId }, options)))?.Payment;

    private async Task<T?> OrNullAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call) where T : class
    {
        try
        {
            return await retrying.CallAsync(call);
        }
        catch (RpcException nothing) when (nothing.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}
