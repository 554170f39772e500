using System.Collections.ObjectModel;
using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server;

public class InterceptorCollection : Collection<InterceptorRegistration>
{
    /// <param name="args">Constructor arguments; the rest come from the call's services.</param>
    public void Add<TInterceptor>(params object[] args)
        where TInterceptor : Interceptor => Add(typeof(TInterceptor), args);

    /// <inheritdoc cref="Add{TInterceptor}(object[])"/>
    public void Add(Type interceptorType, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(interceptorType);
        if (!interceptorType.IsSubclassOf(typeof(Interceptor)))
        {
            throw new ArgumentException($"{interceptorType} does not derive from {typeof(Interceptor)}.", nameof(interceptorType));
        }

        Add(new InterceptorRegistration(interceptorType, args));
    }
}

/// <summary>An interceptor type, made anew for each call unless it is itself a registered service.</summary>
public class InterceptorRegistration
{
    private readonly Activator<Interceptor> activator;

    internal InterceptorRegistration(Type type, object[] arguments)
    {
        Type = type;
        Arguments = arguments;
        activator = new(type, arguments);
    }

    public Type Type { get; }

    public IReadOnlyList<object> Arguments { get; }

    internal Lease<Interceptor> Lease(IServiceProvider services) => activator.Lease(services);
}
