namespace Grpc.Core;

/// <summary>A way to a server; many clients may share one.</summary>
public abstract class ChannelBase
{
    private readonly string target;

    protected ChannelBase(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        this.target = target;
    }

    public string Target => target;

    public abstract CallInvoker CreateCallInvoker();

    public Task ShutdownAsync() => ShutdownAsyncCore();

    protected virtual Task ShutdownAsyncCore() => Task.CompletedTask;
}
