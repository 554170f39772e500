using Dapr;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>The one place where an exception becomes a client's status: a refusal passes, a fault is UNAVAILABLE, a bug is loud.</summary>
/// <remarks>One for the whole process: it counts the faults of an outage, which every call meets.</remarks>
internal sealed class ExceptionInterceptor(EventLoop eventLoop, TimeProvider clock, ILogger<ExceptionInterceptor> log) : Interceptor, IDisposable
{
    private readonly FaultLog faults = new("Calls", clock, log, overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await eventLoop.RunAsync(() => continuation(request, context));
        }
        catch (Exception fault) when (StatusOf(fault, request, context) is { } status)
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
        catch (Exception fault) when (StatusOf(fault, request, context) is { } status)
        {
            throw new RpcException(status);
        }
    }

    private Status? StatusOf(Exception fault, object request, ServerCallContext context)
    {
        switch (fault)
        {
            case RejectedException:
            // What gRPC's own services answer, such as health of a service that is not here.
            case RpcException when context.Method.StartsWith("/grpc.", StringComparison.Ordinal):
                return null;
            case OperationCanceledException when context.CancellationToken.IsCancellationRequested:
                return new Status(StatusCode.Cancelled, "The caller went away.");
            case ContentionException:
                return new Status(StatusCode.Aborted, fault.Message);
            case CorruptDocumentException:
                SagaLog.UnhandledException(log, fault, context.Method, OrderOf(request));
                return new Status(StatusCode.DataLoss, $"{fault.Message} Nothing was changed; an operator has to look at it (docs/debugging.md).");
            case DaprException or RpcException:
                var cause = Faults.CauseOf(fault);
                if (faults.Begins(context.Method[(context.Method.LastIndexOf('/') + 1)..], cause)) SagaLog.DependencyFailed(log, context.Method, cause, OrderOf(request));
                return new Status(StatusCode.Unavailable,
                    $"The sidecar, or the store or broker behind it, did not answer; nothing is lost, try again. It said: {cause}");
            default:
                SagaLog.UnhandledException(log, fault, context.Method, OrderOf(request));
                return new Status(StatusCode.Internal, "This is a bug in the service; its log has the details under this method and time.");
        }
    }

    /// <summary>The order that a request names. Empty: it names none.</summary>
    private static string OrderOf(object request)
    {
        var fields = (request as IMessage)?.Descriptor;
        return (fields?.FindFieldByName("order") ?? fields?.FindFieldByName("order_id"))?.Accessor.GetValue((IMessage)request) as string ?? "";
    }
}
