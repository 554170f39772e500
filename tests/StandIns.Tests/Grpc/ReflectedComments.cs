using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Shop.V1;

namespace StandIns.GrpcTests;

/// <summary>What the official package has not.</summary>
public class ReflectedComments
{
    [Fact]
    public async Task A_file_is_told_with_its_comments_where_its_assembly_has_them()
    {
        await using var server = await TestServer.StartAsync(
            services: services => services.AddGrpcReflection(),
            map: app =>
            {
                app.MapGrpcService<Orders>();
                app.MapGrpcReflectionService();
            });
        using var call = new ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo();

        await call.RequestStream.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = "shop.v1.OrderService.PlaceOrder" });
        Assert.True(await call.ResponseStream.MoveNext());

        var files = call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto.Select(FileDescriptorProto.Parser.ParseFrom).ToList();
        Assert.Contains(files[0].SourceCodeInfo.Location, location => location.LeadingComments.StartsWith(" Accepts an order and answers PENDING at once."));
        Assert.Equal(OrderService.Descriptor.ToProto(), files[0].Service.Single());
        Assert.Equal(["google/protobuf/duration.proto", "google/protobuf/timestamp.proto", "shop/v1/events.proto"], files.Skip(1).Select(file => file.Name).Order());
    }

    private sealed class Orders : OrderService.OrderServiceBase;
}
