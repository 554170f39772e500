using Google.Protobuf;
using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

/// <summary>Answers as interop.proto says; echoes the headers that the classic cases echo; a test may play its own part instead.</summary>
internal sealed class InteropService(InteropScript script) : Interop.Interop.InteropBase
{
    public override Task<Nothing> Empty(Nothing request, ServerCallContext context) => script.Empty(request, context);

    public override async Task<Answer> Unary(Ask request, ServerCallContext context)
    {
        await EchoAsync(context);
        EndAs(request);
        return Sized(request.AnswerBytes.FirstOrDefault());
    }

    public override async Task Stream(Ask request, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        await EchoAsync(context);
        foreach (var bytes in request.AnswerBytes)
        {
            await responseStream.WriteAsync(Sized(bytes));
        }

        EndAs(request);
    }

    public override async Task<Answer> Collect(IAsyncStreamReader<Ask> requestStream, ServerCallContext context)
    {
        var received = 0;
        await foreach (var ask in requestStream.ReadAllAsync(context.CancellationToken))
        {
            EndAs(ask);
            received += ask.Payload.Length;
        }

        return new Answer { ReceivedBytes = received };
    }

    public override async Task Converse(
        IAsyncStreamReader<Ask> requestStream, IServerStreamWriter<Answer> responseStream, ServerCallContext context)
    {
        await EchoAsync(context);
        await foreach (var ask in requestStream.ReadAllAsync(context.CancellationToken))
        {
            EndAs(ask);
            foreach (var bytes in ask.AnswerBytes)
            {
                await responseStream.WriteAsync(Sized(bytes));
            }
        }
    }

    private static Answer Sized(int bytes) => new() { Payload = ByteString.CopyFrom(new byte[bytes]) };

    private static void EndAs(Ask ask)
    {
        if (ask.Status != 0)
        {
            throw new RpcException(new Status((StatusCode)ask.Status, ask.StatusMessage));
        }
    }

    private static async Task EchoAsync(ServerCallContext context)
    {
        if (context.RequestHeaders.GetValue("x-grpc-test-echo-initial") is { } initial)
        {
            await context.WriteResponseHeadersAsync(new Metadata { { "x-grpc-test-echo-initial", initial } });
        }

        if (context.RequestHeaders.GetValueBytes("x-grpc-test-echo-trailing-bin") is { } trailing)
        {
            context.ResponseTrailers.Add("x-grpc-test-echo-trailing-bin", trailing);
        }
    }
}

/// <summary>What the method Empty does.</summary>
internal sealed class InteropScript
{
    public Func<Nothing, ServerCallContext, Task<Nothing>> Empty { get; set; } = (_, _) => Task.FromResult(new Nothing());
}
