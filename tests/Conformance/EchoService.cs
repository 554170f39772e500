using Grpc.Core;

namespace Conformance;

internal sealed class EchoService(TestApp app) : Echo.EchoBase
{
    /// <summary>Echoes the text, or returns one of the requested length, and echoes the metadata "mark" and "blob-bin" in headers and trailers.</summary>
    public override async Task<EchoMessage> Say(EchoMessage request, ServerCallContext context)
    {
        var mark = context.RequestHeaders.GetValue("mark") ?? "";
        await context.WriteResponseHeadersAsync(new Metadata { { "header-mark", mark } });
        context.ResponseTrailers.Add("trailer-mark", mark);
        if (context.RequestHeaders.GetValueBytes("blob-bin") is { } blob) context.ResponseTrailers.Add("blob-bin", blob);
        foreach (var name in (string[])["dapr-app-id", "dapr-caller-app-id", "dapr-callee-app-id", "dapr-api-token", "traceparent"])
        {
            if (context.GetHttpContext().Request.Headers[name] is { Count: > 0 } values) context.ResponseTrailers.Add("saw-" + name, values.ToString());
        }

        return request.Text.StartsWith("long ", StringComparison.Ordinal) ? new EchoMessage { Text = new string('x', int.Parse(request.Text[5..])) } : request;
    }

    public override async Task Count(EchoMessage request, IServerStreamWriter<EchoMessage> responses, ServerCallContext context)
    {
        await context.WriteResponseHeadersAsync(new Metadata { { "header-mark", context.RequestHeaders.GetValue("mark") ?? "" } });
        for (var i = 1; i <= int.Parse(request.Text); i++) await responses.WriteAsync(new EchoMessage { Text = i.ToString() });
    }

    public override async Task Chat(IAsyncStreamReader<EchoMessage> requests, IServerStreamWriter<EchoMessage> responses, ServerCallContext context)
    {
        await foreach (var request in requests.ReadAllAsync()) await responses.WriteAsync(new EchoMessage { Text = "re: " + request.Text });
    }

    public override Task<EchoMessage> Fail(EchoMessage request, ServerCallContext context)
    {
        context.ResponseTrailers.Add("why", "because");
        throw new RpcException(new Status(StatusCode.ResourceExhausted, request.Text + " 한글"));
    }

    public override async Task<EchoMessage> Hang(EchoMessage request, ServerCallContext context)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }
        catch (OperationCanceledException)
        {
            app.Cancelled.TrySetResult();
        }

        return request;
    }
}
