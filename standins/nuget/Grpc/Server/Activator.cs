using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server;

/// <summary>Makes one instance per call, unless the application registered the type itself.</summary>
internal sealed class Activator<T>
    where T : class
{
    private readonly Type type;
    private readonly object[] arguments;
    private readonly ObjectFactory create;

    public Activator(Type type, params object[] arguments)
    {
        this.type = type;
        this.arguments = arguments;
        create = ActivatorUtilities.CreateFactory(type, [.. arguments.Select(argument => argument.GetType())]);
    }

    public Lease<T> Lease(IServiceProvider services) =>
        arguments.Length == 0 && services.GetService(type) is T registered
            ? new(registered, owned: false)
            : new((T)create(services, arguments), owned: true);
}

/// <summary>An instance for the time of one call; disposed of at its end if it was made for it.</summary>
internal readonly struct Lease<T>(T instance, bool owned) : IAsyncDisposable
    where T : class
{
    public T Instance { get; } = instance;

    public ValueTask DisposeAsync()
    {
        switch (owned ? Instance : null)
        {
            case IAsyncDisposable asynchronous:
                return asynchronous.DisposeAsync();
            case IDisposable synchronous:
                synchronous.Dispose();
                return default;
            default:
                return default;
        }
    }
}
