using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.AspNetCore.Server;
using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shop.V1;
using Registration = Microsoft.Extensions.DependencyInjection.ServiceDescriptor;

namespace Saga.Hosting;

/// <summary>
/// Server reflection of the mapped services whose proto files include comments, so that a client's 'describe' shows them. The descriptors in
/// generated code have none.
/// </summary>
internal static class ReflectionWithComments
{
    public static void AddReflection(this IServiceCollection services)
    {
        services.AddGrpcReflection();
        services.Replace(Registration.Singleton(mapped => new ReflectionServiceImpl(
            GetServiceNames(mapped.GetRequiredService<EndpointDataSource>().Endpoints),
            SymbolRegistry.FromFiles(GetFiles(mapped.GetRequiredService<EndpointDataSource>().Endpoints)))));
        services.Replace(Registration.Singleton(mapped => new ReflectionV1ServiceImpl(
            GetServiceNames(mapped.GetRequiredService<EndpointDataSource>().Endpoints),
            SymbolRegistry.FromFiles(GetFiles(mapped.GetRequiredService<EndpointDataSource>().Endpoints)))));
    }

    /// <summary>The names of the gRPC services behind endpoints, such as grpc.health.v1.Health.</summary>
    public static IEnumerable<string> GetServiceNames(IEnumerable<Endpoint> mapped) => mapped
        .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName)
        .OfType<string>().Distinct().Order(StringComparer.Ordinal);

    /// <summary>The same message with comments, which its fields have as Declaration.LeadingComments.</summary>
    public static MessageDescriptor Find(MessageDescriptor message) =>
        Files().SelectMany(file => file.MessageTypes).Single(other => other.FullName == message.FullName);

    /// <summary>With the files of services that are not in the contracts; those have no comments.</summary>
    private static IEnumerable<FileDescriptor> GetFiles(IEnumerable<Endpoint> mapped)
    {
        FileDescriptor[] known = [.. Files()];
        var own = mapped
            .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct()
            .Select(FindFile).OfType<FileDescriptor>().DistinctBy(file => file.Name);
        return [.. known, .. own.Where(file => known.All(other => other.Name != file.Name))];
    }

    /// <summary>Generated code has the descriptor of a service beside its base class. Null: the service is not generated.</summary>
    private static FileDescriptor? FindFile(Type service)
    {
        for (var type = service; type is not null; type = type.BaseType)
        {
            if (type.DeclaringType?.GetProperty("Descriptor")?.GetValue(null) is Google.Protobuf.Reflection.ServiceDescriptor descriptor) return descriptor.File;
        }
        return null;
    }

    private static IEnumerable<FileDescriptor> Files()
    {
        using var protos = typeof(OrderCreatedEvent).Assembly.GetManifestResourceStream("protos.pb")!;
        return
        [
            .. FileDescriptor.BuildFromByteStrings(FileDescriptorSet.Parser.ParseFrom(protos).File.Select(file => file.ToByteString())),
            AppCallback.Descriptor.File, Health.Descriptor.File,
            Grpc.Reflection.V1.ServerReflection.Descriptor.File, Grpc.Reflection.V1Alpha.ServerReflection.Descriptor.File,
            // No contract imports them: they are packed in grpc-status-details-bin, and a client without them shows raw bytes.
            ErrorDetailsReflection.Descriptor, StatusReflection.Descriptor,
        ];
    }
}
