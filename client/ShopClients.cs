using System.Diagnostics;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Shop.V1;

namespace Shop;

/// <summary>Typed gRPC clients of the four services, and the dead letters of added participants. Thread-safe.</summary>
/// <remarks>A unary call without a deadline gets one; streaming calls get none.</remarks>
public sealed class ShopClients
{
    private static readonly TimeSpan ReconnectBackoffMin = TimeSpan.FromMilliseconds(50), ReconnectBackoffMax = TimeSpan.FromMilliseconds(500);

    /// <summary>Notices a connection that is dead without being closed: a stream has no deadline.</summary>
    private static readonly TimeSpan KeepAliveDelay = TimeSpan.FromSeconds(20), KeepAliveTimeout = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan HealthTimeout = TimeSpan.FromSeconds(2);

    /// <summary>Opens the channels; connections are made by the first call.</summary>
    /// <param name="orders">Address of Orders: an absolute URI, such as http://localhost:5001.</param>
    /// <param name="stock">Address of Stock.</param>
    /// <param name="payments">Address of Payments.</param>
    /// <param name="coupons">Address of Coupons.</param>
    /// <param name="timeout">Of a unary call without a deadline. Null: 15 s.</param>
    /// <param name="token">A JWT that every call carries as a bearer token, unless it has an authorization header of its own. Null: none.</param>
    /// <param name="added">Names and addresses of participants beside the three. Null: there are none.</param>
    /// <exception cref="UriFormatException">An address is no absolute URI.</exception>
    public ShopClients(
        string orders, string stock, string payments, string coupons, TimeSpan? timeout = null, string? token = null,
        IEnumerable<(string Name, string Address)>? added = null)
    {
        Services =
        [
            Open("Orders", orders), Open("Stock", stock), Open("Payments", payments), Open("Coupons", coupons),
            .. (added ?? []).Select(one => Open(one.Name, one.Address)),
        ];
        (Orders, Stock, Payments, Coupons, DeadLetters) = CreateClients([.. Services.Select(service => service.Channel.Intercept(new DefaultDeadline(timeout ?? DefaultTimeout)).Intercept(headers =>
        {
            // A call can have another one.
            if (token is not null && headers.Get("authorization") is null) headers.Add("authorization", $"Bearer {token}");
            return headers;
        }))]);
    }

    /// <summary>Calls the services through a sidecar.</summary>
    /// <param name="to">Returns the invoker of calls to an app, by its Dapr app id. It has to give them a deadline.</param>
    public ShopClients(Func<string, CallInvoker> to)
    {
        Services = [];
        (Orders, Stock, Payments, Coupons, DeadLetters) = CreateClients([.. AppIds.Select(to)]);
    }

    /// <summary>The Dapr app ids of the four services, with which <see cref="DeadLetters"/> begins.</summary>
    public static IReadOnlyList<string> AppIds { get; } = ["orders", "stock", "payments", "coupons"];

    /// <summary>Orders, Stock, Payments, Coupons, in this order, then added participants. Empty: they are called through a sidecar.</summary>
    public IReadOnlyList<ServiceEndpoint> Services { get; }

    /// <summary>Places, reads, watches and cancels orders.</summary>
    public OrderService.OrderServiceClient Orders { get; }

    /// <summary>Products and reservations.</summary>
    public StockService.StockServiceClient Stock { get; }

    /// <summary>Accounts and payments.</summary>
    public PaymentService.PaymentServiceClient Payments { get; }

    /// <summary>Coupons of users.</summary>
    public CouponService.CouponServiceClient Coupons { get; }

    /// <summary>The dead letters of each service, in the order of <see cref="Services"/>.</summary>
    public IReadOnlyList<DeadLetterService.DeadLetterServiceClient> DeadLetters { get; }

    /// <summary>Waits until all services report SERVING: each runs, reaches its sidecar and is subscribed.</summary>
    /// <param name="timeout">For all together.</param>
    /// <param name="cancellationToken">Ends the wait with an <see cref="RpcException"/> or <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="TimeoutException">Names the service that is not ready, and its last answer.</exception>
    public async Task WaitUntilReadyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        const string Serving = nameof(HealthCheckResponse.Types.ServingStatus.Serving);
        var begun = Stopwatch.GetTimestamp();
        foreach (var (name, address, channel) in Services)
        {
            var health = new Health.HealthClient(channel);
            for (var status = ""; status != Serving;)
            {
                if (Stopwatch.GetElapsedTime(begun) > timeout)
                {
                    throw new TimeoutException($"{name} at {address} is not ready after {timeout.TotalSeconds:0.###} s: {status.TrimEnd('.')}.");
                }
                var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + HealthTimeout;
                try
                {
                    status = (await health.CheckAsync(new(), deadline: deadline, cancellationToken: cancellationToken)).Status.ToString();
                }
                catch (RpcException fault) when (!cancellationToken.IsCancellationRequested)
                {
                    status = fault.Status.Detail;
                }
                if (status != Serving) await Task.Delay(50, cancellationToken);
            }
        }
    }

    private static (OrderService.OrderServiceClient, StockService.StockServiceClient, PaymentService.PaymentServiceClient, CouponService.CouponServiceClient,
        DeadLetterService.DeadLetterServiceClient[]) CreateClients(CallInvoker[] to) =>
        (new(to[0]), new(to[1]), new(to[2]), new(to[3]), [.. to.Select(invoker => new DeadLetterService.DeadLetterServiceClient(invoker))]);

    // The default maximum of 2 minutes would delay the first call to a service that is still starting.
    private static ServiceEndpoint Open(string name, string address) => new(name, address,
        GrpcChannel.ForAddress(address, new()
        {
            InitialReconnectBackoff = ReconnectBackoffMin,
            MaxReconnectBackoff = ReconnectBackoffMax,
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                EnableMultipleHttp2Connections = true,
                KeepAlivePingDelay = KeepAliveDelay,
                KeepAlivePingTimeout = KeepAliveTimeout,
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            },
        }));

    /// <summary>A frozen process accepts connections and never answers: every unary call needs a deadline.</summary>
    private sealed class DefaultDeadline(TimeSpan timeout) : Interceptor
    {
        public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation) =>
            continuation(request, context.Options.Deadline is not null ? context
                : new(context.Method, context.Host, context.Options.WithDeadline(TimeProvider.System.GetUtcNow().UtcDateTime + timeout)));
    }
}
