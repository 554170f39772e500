namespace Grpc.Core;

/// <summary>What the four kinds of call have in common, from the first header to the last trailer.</summary>
internal readonly struct CallEnding
{
    private readonly object headers;
    private readonly Delegate getStatus;
    private readonly Delegate getTrailers;
    private readonly Delegate dispose;
    private readonly object? state;

    public CallEnding(Task<Metadata> headers, Func<Status> getStatus, Func<Metadata> getTrailers, Action dispose)
    {
        this.headers = headers;
        this.getStatus = getStatus;
        this.getTrailers = getTrailers;
        this.dispose = dispose;
    }

    /// <summary>With <paramref name="state"/> handed to each function, so that static ones can serve every call.</summary>
    public CallEnding(
        Func<object, Task<Metadata>> headers,
        Func<object, Status> getStatus,
        Func<object, Metadata> getTrailers,
        Action<object> dispose,
        object state)
    {
        this.headers = headers;
        this.getStatus = getStatus;
        this.getTrailers = getTrailers;
        this.dispose = dispose;
        this.state = state;
    }

    public Task<Metadata> ResponseHeadersAsync => headers as Task<Metadata> ?? ((Func<object, Task<Metadata>>)headers)(state!);

    public Status GetStatus() => state is null ? ((Func<Status>)getStatus)() : ((Func<object, Status>)getStatus)(state);

    public Metadata GetTrailers() => state is null ? ((Func<Metadata>)getTrailers)() : ((Func<object, Metadata>)getTrailers)(state);

    public void Dispose()
    {
        if (state is null)
        {
            ((Action)dispose)();
        }
        else
        {
            ((Action<object>)dispose)(state);
        }
    }
}
