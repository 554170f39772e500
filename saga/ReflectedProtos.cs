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

namespace Saga;

/// <summary>
/// What server reflection tells: the mapped services, and their proto files with comments, so that a client's 'describe' explains itself.
/// The descriptors in generated code lack the comments.
/// </summary>
internal static class ReflectionWithComments
{
    public static void AddReflection(this IServiceCollection services)
    {
        services.AddGrpcReflection();
        services.Replace(Registration.Singleton(mapped => new ReflectionServiceImpl(Named(mapped.GetRequiredService<EndpointDataSource>().Endpoints), SymbolRegistry.FromFiles(Files()))));
        services.Replace(Registration.Singleton(mapped => new ReflectionV1ServiceImpl(Named(mapped.GetRequiredService<EndpointDataSource>().Endpoints), SymbolRegistry.FromFiles(Files()))));
    }

    /// <summary>The names of the gRPC services behind endpoints, such as shop.v1.OrderService.</summary>
    public static IEnumerable<string> Named(IEnumerable<Endpoint> mapped) => mapped
        .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.ServiceName)
        .OfType<string>().Distinct().Order(StringComparer.Ordinal);

    private static IEnumerable<FileDescriptor> Files()
    {
        using var protos = typeof(OrderService).Assembly.GetManifestResourceStream("protos.pb")!;
        return
        [
            .. FileDescriptor.BuildFromByteStrings(FileDescriptorSet.Parser.ParseFrom(protos).File.Select(file => file.ToByteString())),
            AppCallback.Descriptor.File, Health.Descriptor.File,
            Grpc.Reflection.V1.ServerReflection.Descriptor.File, Grpc.Reflection.V1Alpha.ServerReflection.Descriptor.File,
            // No contract imports them: they come packed in grpc-status-details-bin, and a client that lacks them shows bytes.
            ErrorDetailsReflection.Descriptor, StatusReflection.Descriptor,
        ];
    }
}
