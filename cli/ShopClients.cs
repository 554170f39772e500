using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Shop.V1;

namespace Shop;

/// <summary>A service, and where it is reached.</summary>
internal sealed record ReachedService(string Name, string Address, GrpcChannel Channel)
{
    /// <summary>The name under which its sidecar knows it.</summary>
    public string AppId => Name.ToLowerInvariant();
}

/// <summary>The four services as a client reaches them.</summary>
internal sealed class ShopClients
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50), LongestPause = TimeSpan.FromMilliseconds(500);

    /// <param name="orders">Its address, such as http://localhost:5001; the others alike.</param>
    public ShopClients(string orders, string stock, string payments, string coupons)
    {
        Services = [Open("Orders", orders), Open("Stock", stock), Open("Payments", payments), Open("Coupons", coupons)];
        CallInvoker[] calls = [.. Services.Select(service => service.Channel.Intercept(new Deadlines()))];
        Orders = new(calls[0]);
        Stock = new(calls[1]);
        Payments = new(calls[2]);
        Coupons = new(calls[3]);
        DeadLetters = [.. calls.Select(service => new DeadLetterService.DeadLetterServiceClient(service))];
    }

    /// <summary>Orders, Stock, Payments, Coupons.</summary>
    public IReadOnlyList<ReachedService> Services { get; }

    public OrderService.OrderServiceClient Orders { get; }

    public StockService.StockServiceClient Stock { get; }

    public PaymentService.PaymentServiceClient Payments { get; }

    public CouponService.CouponServiceClient Coupons { get; }

    /// <summary>Each service keeps its own: of Orders, Stock, Payments, Coupons.</summary>
    public IReadOnlyList<DeadLetterService.DeadLetterServiceClient> DeadLetters { get; }

    /// <summary>Waits until all four say that they serve: each runs, has its sidecar, and hears events.</summary>
    /// <exception cref="TimeoutException">Names who did not, and why.</exception>
    public async Task WaitUntilReadyAsync(TimeSpan most, CancellationToken stop)
    {
        var until = DateTime.UtcNow + most;
        foreach (var (name, address, channel) in Services)
        {
            var health = new Health.HealthClient(channel);
            for (var seen = ""; seen != nameof(HealthCheckResponse.Types.ServingStatus.Serving);)
            {
                if (DateTime.UtcNow > until) throw new TimeoutException($"{name} at {address} is not ready after {most.TotalSeconds:0} s: {seen}.");
                try
                {
                    seen = (await health.CheckAsync(new(), deadline: DateTime.UtcNow.AddSeconds(2), cancellationToken: stop)).Status.ToString();
                }
                catch (RpcException fault) when (!stop.IsCancellationRequested)
                {
                    seen = fault.Status.Detail;
                }
                if (seen != nameof(HealthCheckResponse.Types.ServingStatus.Serving)) await Task.Delay(50, stop);
            }
        }
    }

    // By itself gRPC would look ever more seldom for a service that is still starting.
    private static ReachedService Open(string name, string address) => new(name, address,
        GrpcChannel.ForAddress(address, new() { InitialReconnectBackoff = FirstPause, MaxReconnectBackoff = LongestPause }));

    /// <summary>A process that is stopped takes connections and never answers: no call waits for ever.</summary>
    private sealed class Deadlines : Interceptor
    {
        private static readonly TimeSpan Most = TimeSpan.FromSeconds(15);

        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, context.Options.Deadline is not null ? context
                : new(context.Method, context.Host, context.Options.WithDeadline(DateTime.UtcNow + Most)));
    }
}
