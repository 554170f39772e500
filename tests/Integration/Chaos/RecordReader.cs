using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>Reads the records of an order. Null: there is none.</summary>
internal sealed class RecordReader(ShopClients shop, RetryingClient client)
{
    public async Task<Order?> OrderAsync(string id) =>
        (await FindAsync(options => shop.Orders.GetOrderAsync(new() { Order = id }, options)))?.Order;

    public async Task<Reservation?> ReservationAsync(string orderId) =>
        (await FindAsync(options => shop.Stock.GetReservationAsync(new() { OrderId = orderId }, options)))?.Reservation;

    public async Task<Payment?> PaymentAsync(string orderId) =>
        (await FindAsync(options => shop.Payments.GetPaymentAsync(new() { OrderId = orderId }, options)))?.Payment;

    private async Task<T?> FindAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call) where T : class
    {
        try
        {
            return await client.CallAsync(call);
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
    }
}
