using System.Security.Claims;
using Dapr;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;
using Saga.Commands;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Hosting;

/// <summary>Maps exceptions to gRPC statuses: a rejection passes, a transient fault is UNAVAILABLE, a bug is logged and INTERNAL.</summary>
/// <remarks>A singleton: it rate-limits the log of an outage, which every call meets.</remarks>
internal sealed class ExceptionInterceptor(TimeProvider clock, ILogger<ExceptionInterceptor> log) : Interceptor, IDisposable
{
    private readonly FaultLog faults = new("Calls", clock, log, overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            var response = await continuation(request, context);
            // The response of a call that is over cannot be written, and gRPC would log that as an error.
            context.CancellationToken.ThrowIfCancellationRequested();
            return response;
        }
        catch (Exception fault) when (ToStatus(fault, request, context) is { } status)
        {
            throw new RpcException(status);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context,
        ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context);
        }
        catch (Exception fault) when (ToStatus(fault, request, context) is { } status)
        {
            throw new RpcException(status);
        }
    }

    private Status? ToStatus(Exception fault, object request, ServerCallContext context)
    {
        switch (fault)
        {
            case RejectedException:
            // Statuses of gRPC's own services, such as NOT_FOUND for the health of an unknown service.
            case RpcException when context.Method.StartsWith("/grpc.", StringComparison.Ordinal):
                return null;
            case OperationCanceledException when context.CancellationToken.IsCancellationRequested:
                return new Status(StatusCode.Cancelled, "The caller cancelled the call.");
            case ContentionException:
                return new Status(StatusCode.Aborted, $"{fault.Message} {Faults.MayHaveHappened}");
            case CorruptDocumentException:
                SagaLog.UnhandledException(log, fault, context.Method, GetOrder(request));
                return new Status(StatusCode.DataLoss, DescribeCorrupt(fault, context.GetHttpContext().User));
            // Another service has met a corrupt document, and has logged it.
            case RpcException { StatusCode: StatusCode.DataLoss } corrupt:
                return new Status(StatusCode.DataLoss, DescribeCorrupt(corrupt, context.GetHttpContext().User));
            case DaprException or RpcException:
                var cause = Faults.GetCause(fault);
                if (faults.Begins(context.Method[(context.Method.LastIndexOf('/') + 1)..], cause))
                {
                    SagaLog.DependencyFailed(log, context.Method, cause, GetOrder(request));
                }
                return new Status(StatusCode.Unavailable,
                    $"The sidecar, or the store or broker behind it, did not answer. {Faults.MayHaveHappened} It reported: {cause}");
            default:
                SagaLog.UnhandledException(log, fault, context.Method, GetOrder(request));
                return new Status(StatusCode.Internal, "This is a bug in the service; its log has the details under this method and time.");
        }
    }

    /// <param name="corrupt">A <see cref="CorruptDocumentException"/>, or DATA_LOSS of another service.</param>
    /// <param name="caller">A user is not told what is in the document: whose it is has not been checked.</param>
    internal static string DescribeCorrupt(Exception corrupt, ClaimsPrincipal caller) =>
        !Caller.MaySeeDocuments(caller) ? "A document that this needs is corrupt, and was not changed. An operator finds it in the log of the service."
        : corrupt is RpcException remote ? remote.Status.Detail
        : $"{corrupt.Message} It was not changed; an operator has to look at it (docs/debugging.md).";

    /// <summary>The order of a request. Empty: the request names none.</summary>
    private static string GetOrder(object request)
    {
        var fields = (request as IMessage)?.Descriptor;
        return (fields?.FindFieldByName("order") ?? fields?.FindFieldByName("order_id"))?.Accessor.GetValue((IMessage)request) as string ?? "";
    }
}
