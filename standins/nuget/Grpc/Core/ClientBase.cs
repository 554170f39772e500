using Grpc.Core.Interceptors;

namespace Grpc.Core;

/// <summary>Base of generated clients.</summary>
public abstract class ClientBase
{
    private readonly ClientBaseConfiguration configuration;

    protected ClientBase()
        : this(new UnimplementedCallInvoker())
    {
    }

    public ClientBase(ChannelBase channel)
        : this(channel.CreateCallInvoker())
    {
    }

    public ClientBase(CallInvoker callInvoker)
        : this(new ClientBaseConfiguration(callInvoker, null))
    {
    }

    protected ClientBase(ClientBaseConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        this.configuration = configuration;
        CallInvoker = configuration.CreateDecoratedCallInvoker();
    }

    protected CallInvoker CallInvoker { get; }

    private protected ClientBaseConfiguration Configuration => configuration;

    /// <summary>What a generated client needs to be made again with another host.</summary>
    protected internal class ClientBaseConfiguration
    {
        private readonly CallInvoker undecorated;
        private readonly string? host;

        internal ClientBaseConfiguration(CallInvoker undecorated, string? host)
        {
            ArgumentNullException.ThrowIfNull(undecorated);
            this.undecorated = undecorated;
            this.host = host;
        }

        internal CallInvoker CreateDecoratedCallInvoker() =>
            host is null ? undecorated : undecorated.Intercept(new HostInterceptor(host));

        internal ClientBaseConfiguration WithHost(string host) => new(undecorated, host);
    }
}

/// <inheritdoc />
public abstract class ClientBase<T> : ClientBase
    where T : ClientBase<T>
{
    protected ClientBase()
    {
    }

    public ClientBase(ChannelBase channel)
        : base(channel)
    {
    }

    public ClientBase(CallInvoker callInvoker)
        : base(callInvoker)
    {
    }

    protected ClientBase(ClientBaseConfiguration configuration)
        : base(configuration)
    {
    }

    /// <summary>The same client, asking for another authority.</summary>
    public T WithHost(string host) => NewInstance(Configuration.WithHost(host));

    protected abstract T NewInstance(ClientBaseConfiguration configuration);
}
