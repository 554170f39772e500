using Grpc.Core;
using Shop.V1;

namespace ShopConsole;

/// <summary>Follows what Orders does with all orders, and reconnects when the stream is lost.</summary>
internal sealed class OrderFeed(OrderService.OrderServiceClient orders, TimeProvider clock, ILogger<OrderFeed> log) : BackgroundService
{
    private static readonly TimeSpan MinPause = TimeSpan.FromMilliseconds(100), MaxPause = TimeSpan.FromSeconds(2);

    /// <summary>A stream without a message for this time counts as lost; Orders sends one every second.</summary>
    private static readonly TimeSpan MaxSilence = TimeSpan.FromSeconds(5);

    private volatile bool isLive;

    /// <summary>True: Orders answers, and changes arrive.</summary>
    public bool IsLive => isLive;

    /// <summary>A message has arrived. Handlers must not block or throw.</summary>
    public event Action<WatchOrdersResponse>? Received;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var untraced = SagaTracing.Suppress();
        var (pause, isLogged) = (MinPause, false);
        while (true)
        {
            var problem = await FollowAsync(stoppingToken);
            if (stoppingToken.IsCancellationRequested) return;
            if (isLive) (pause, isLogged) = (MinPause, false);
            isLive = false;
            if (!isLogged) ConsoleLog.FeedLost(log, problem);
            isLogged = true;
            await Task.Delay(pause, clock, stoppingToken);
            pause = pause * 2 < MaxPause ? pause * 2 : MaxPause;
        }
    }

    /// <returns>Why the stream has ended.</returns>
    private async Task<string> FollowAsync(CancellationToken stopping)
    {
        using var silence = new CancellationTokenSource(MaxSilence, clock);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping, silence.Token);
        try
        {
            using var watch = orders.WatchOrders(new(), cancellationToken: end.Token);
            while (await watch.ResponseStream.MoveNext(end.Token))
            {
                silence.CancelAfter(MaxSilence);
                if (!isLive) ConsoleLog.FeedOpened(log);
                isLive = true;
                Received?.Invoke(watch.ResponseStream.Current);
            }
            return "Orders has ended it.";
        }
        catch (Exception fault) when (fault is RpcException or OperationCanceledException)
        {
            return silence.IsCancellationRequested ? $"nothing was received for {MaxSilence.TotalSeconds} s."
                : fault is RpcException { Status.Detail: var detail } ? detail : fault.Message;
        }
    }
}
