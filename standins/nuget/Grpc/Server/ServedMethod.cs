using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server;

/// <summary>One method as an endpoint, and the one place where whatever goes wrong in a call becomes its status.</summary>
internal sealed class ServedMethod(IMethod description, Func<ServerCall, Task> serve, MappedServices mapped)
{
    public IMethod Description { get; } = description;

    public Task HandleAsync(HttpContext http) =>
        GrpcRequest.Refuse(http) ? Task.CompletedTask : ServeAsync(new ServerCall(http, Description.FullName, mapped.Options));

    private async Task ServeAsync(ServerCall call)
    {
        try
        {
            call.Start();
            await serve(call);
        }
        catch (Exception e)
        {
            Fail(call, e);
        }

        await call.EndAsync();
        Trace(call);
    }

    private void Fail(ServerCall call, Exception e)
    {
        if (call.DeadlineHasPassed)
        {
            ServerLog.DeadlineExceeded(mapped.Log, Description.FullName, e);
        }
        else if (call.ClientHasGone)
        {
            ServerLog.ClientGone(mapped.Log, Description.FullName, e);
            call.Status = new Status(StatusCode.Cancelled, "The client has gone.");
        }
        else if (e is RpcException rpc)
        {
            ServerLog.RpcFailed(mapped.Log, Description.FullName, rpc.StatusCode, rpc.Status.Detail, e);
            call.Fail(rpc);
        }
        else
        {
            ServerLog.MethodThrew(mapped.Log, Description.FullName, e);
            var detail = mapped.Options.EnableDetailedErrors == true ? " " + Messages(e) : "";
            call.Status = new Status(StatusCode.Unknown, "Exception was thrown by handler." + detail, e);
        }
    }

    private static string Messages(Exception? e)
    {
        var messages = new List<string>();
        for (; e is not null; e = e.InnerException)
        {
            messages.Add($"{e.GetType().Name}: {e.Message}");
        }

        return string.Join(" ", messages);
    }

    private void Trace(ServerCall call)
    {
        if (call.Http.Features[typeof(IHttpActivityFeature)] is IHttpActivityFeature { Activity: { IsAllDataRequested: true } activity })
        {
            activity.SetTag("grpc.method", Description.FullName);
            activity.SetTag("grpc.status_code", (int)call.Status.StatusCode);
        }
    }
}
