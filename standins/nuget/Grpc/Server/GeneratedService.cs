using System.Reflection;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace Grpc.AspNetCore.Server;

/// <summary>The generated class behind a service type, found through the attribute on its generated base.</summary>
internal sealed class GeneratedService
{
    private readonly Type serviceType;
    private readonly Type baseType;
    private readonly BindServiceMethodAttribute attribute;

    private GeneratedService(Type serviceType, Type baseType, BindServiceMethodAttribute attribute)
    {
        this.serviceType = serviceType;
        this.baseType = baseType;
        this.attribute = attribute;
    }

    /// <summary>Null when the service was not generated from a proto.</summary>
    public ServiceDescriptor? Descriptor =>
        attribute.BindType.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null) as ServiceDescriptor;

    public static GeneratedService Of(Type serviceType)
    {
        for (var type = serviceType; type is not null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } attribute)
            {
                return new(serviceType, type, attribute);
            }
        }

        throw new InvalidOperationException($"{serviceType} cannot be mapped: it derives from no generated service base.");
    }

    /// <summary>Tells <paramref name="binder"/> the service's methods, without handlers.</summary>
    public void Bind(ServiceBinderBase binder)
    {
        var bind = attribute.BindType.GetMethod(
            attribute.BindMethodName,
            BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static,
            [typeof(ServiceBinderBase), baseType]) ?? throw new InvalidOperationException(
                $"{serviceType} cannot be mapped: {attribute.BindType} does not say its methods by {attribute.BindMethodName}.");

        bind.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [binder, null], null);
    }
}
