using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Alpha = Grpc.Reflection.V1Alpha;

namespace StandIns.GrpcTests;

public class Reflection
{
    [Fact]
    public async Task All_mapped_services_are_listed()
    {
        var response = await AskAsync(new ServerReflectionRequest { ListServices = "" });

        Assert.Equal(
            ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "standins.interop.Interop"],
            response.ListServicesResponse.Service.Select(service => service.Name));
    }

    [Theory]
    [InlineData("standins.interop.Interop")]
    [InlineData("standins.interop.Interop.Converse")]
    [InlineData("standins.interop.Ask")]
    [InlineData("standins.interop.Ask.payload")]
    [InlineData("standins.interop.Absent")]
    public async Task The_file_of_a_symbol_is_found(string symbol)
    {
        var response = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol });

        var file = FileDescriptorProto.Parser.ParseFrom(response.FileDescriptorResponse.FileDescriptorProto[0]);
        Assert.Equal("standins.interop", file.Package);
        Assert.Equal(symbol, response.OriginalRequest.FileContainingSymbol);
    }

    [Fact]
    public async Task A_file_is_found_by_the_name_it_says()
    {
        var response = await AskAsync(new ServerReflectionRequest { FileByFilename = Interop.InteropReflection.Descriptor.Name });

        Assert.Equal(Interop.InteropReflection.Descriptor.SerializedData, response.FileDescriptorResponse.FileDescriptorProto.Single());
    }

    [Fact]
    public async Task What_is_not_there_is_not_found()
    {
        var response = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = "nobody.knows.It" });

        Assert.Equal((int)StatusCode.NotFound, response.ErrorResponse.ErrorCode);
    }

    [Fact]
    public async Task The_extensions_of_a_message_are_told()
    {
        var response = await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "standins.interop.Ask" });

        Assert.Equal("standins.interop.Ask", response.AllExtensionNumbersResponse.BaseTypeName);
        Assert.Empty(response.AllExtensionNumbersResponse.ExtensionNumber);
    }

    [Fact]
    public async Task The_older_version_answers_the_same()
    {
        await using var server = await StartAsync();
        using var call = new Alpha.ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo();

        await call.RequestStream.WriteAsync(new Alpha.ServerReflectionRequest { FileContainingSymbol = "standins.interop.Interop" });
        Assert.True(await call.ResponseStream.MoveNext());

        Assert.Equal(
            Interop.InteropReflection.Descriptor.SerializedData,
            call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto.Single());
    }

    private static async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        await using var server = await StartAsync();
        using var call = new ServerReflection.ServerReflectionClient(server.Channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(request);
        Assert.True(await call.ResponseStream.MoveNext());
        var response = call.ResponseStream.Current;
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
        return response;
    }

    private static Task<TestServer> StartAsync() => TestServer.StartAsync(
        services: services => services.AddGrpcReflection(), map: app => app.MapGrpcReflectionService());
}
