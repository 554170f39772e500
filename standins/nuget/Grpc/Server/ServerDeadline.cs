namespace Grpc.AspNetCore.Server;

/// <summary>The time a client gave a call: when it is over, the call's token is cancelled and the call is answered.</summary>
internal sealed class ServerDeadline : IDisposable
{
    /// <summary>What a timer can hold, about 49 days. A longer timeout is as good as none.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private readonly CancellationToken clientGone;
    private readonly CancellationTokenSource source;
    private readonly TimeSpan timeout;
    private CancellationTokenRegistration registration;

    public ServerDeadline(TimeSpan timeout, CancellationToken clientGone)
    {
        this.timeout = timeout;
        this.clientGone = clientGone;
        At = timeout < Longest ? DateTime.UtcNow + timeout : DateTime.MaxValue;
        source = CancellationTokenSource.CreateLinkedTokenSource(clientGone);
        Token = source.Token;
    }

    /// <summary>UTC.</summary>
    public DateTime At { get; }

    public CancellationToken Token { get; }

    public bool HasPassed => source.IsCancellationRequested && !clientGone.IsCancellationRequested;

    /// <summary>Held while the response is written to, or ended.</summary>
    public SemaphoreSlim Gate { get; } = new(1);

    public void Start(ServerCall call)
    {
        registration = Token.UnsafeRegister(
            static state =>
            {
                var call = (ServerCall)state!;
                if (call.DeadlineHasPassed)
                {
                    _ = call.EndByDeadlineAsync();
                }
            },
            call);
        if (timeout < Longest)
        {
            source.CancelAfter(timeout);
        }
    }

    public void Dispose()
    {
        registration.Unregister();
        source.Dispose();
    }
}
