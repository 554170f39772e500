using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.AspNetCore.Routing;
using Question = Grpc.Reflection.V1.ServerReflectionRequest.MessageRequestOneofCase;

namespace Grpc.Reflection;

/// <summary>Answers questions about the services this application has mapped.</summary>
internal sealed class ReflectionAnswers(EndpointDataSource endpoints)
{
    private readonly Lazy<(string[] Services, DescribedFiles Files)> mapped = new(() => Describe(endpoints));

    public ServerReflectionResponse To(ServerReflectionRequest request)
    {
        var (services, files) = mapped.Value;
        var response = request.MessageRequestCase switch
        {
            Question.ListServices => Services(services),
            Question.FileByFilename => File(files, files.ByName(request.FileByFilename), request.FileByFilename),
            Question.FileContainingSymbol => File(files, files.BySymbol(request.FileContainingSymbol), request.FileContainingSymbol),
            Question.FileContainingExtension => File(
                files,
                files.ByExtension(request.FileContainingExtension.ContainingType, request.FileContainingExtension.ExtensionNumber),
                $"extension {request.FileContainingExtension.ExtensionNumber} of {request.FileContainingExtension.ContainingType}"),
            Question.AllExtensionNumbersOfType => Extensions(
                files.ExtensionNumbers(request.AllExtensionNumbersOfType), request.AllExtensionNumbersOfType),
            _ => Error(StatusCode.InvalidArgument, "The request asks nothing."),
        };
        response.ValidHost = request.Host;
        response.OriginalRequest = request;
        return response;
    }

    private static (string[], DescribedFiles) Describe(EndpointDataSource endpoints)
    {
        var services = endpoints.Endpoints
            .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>())
            .OfType<GrpcMethodMetadata>()
            .Select(method => method.ServiceType)
            .Distinct()
            .Select(type => GeneratedService.Of(type).Descriptor)
            .OfType<ServiceDescriptor>()
            .ToList();
        return ([.. services.Select(service => service.FullName).Distinct().Order(StringComparer.Ordinal)], new DescribedFiles(services));
    }

    private static ServerReflectionResponse Services(string[] names) => new()
    {
        ListServicesResponse = new() { Service = { names.Select(name => new ServiceResponse { Name = name }) } },
    };

    private static ServerReflectionResponse File(DescribedFiles files, FileDescriptor? file, string sought) => file is null
        ? Error(StatusCode.NotFound, $"There is no {sought}.")
        : new() { FileDescriptorResponse = new() { FileDescriptorProto = { files.WithDependencies(file) } } };

    private static ServerReflectionResponse Extensions(IEnumerable<int>? numbers, string type) => numbers is null
        ? Error(StatusCode.NotFound, $"There is no {type}.")
        : new() { AllExtensionNumbersResponse = new() { BaseTypeName = type, ExtensionNumber = { numbers } } };

    private static ServerReflectionResponse Error(StatusCode code, string message) => new()
    {
        ErrorResponse = new() { ErrorCode = (int)code, ErrorMessage = message },
    };
}
