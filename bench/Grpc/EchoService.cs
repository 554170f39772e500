using Google.Protobuf;
using Grpc.Core;

namespace Bench;

internal sealed class EchoService : Echo.EchoBase
{
    public override Task<Blob> Unary(Blob request, ServerCallContext context) => Task.FromResult(request);

    public override async Task Stream(Order request, IServerStreamWriter<Blob> responseStream, ServerCallContext context)
    {
        var blob = new Blob { Payload = ByteString.CopyFrom(new byte[request.Size]) };
        for (var i = 0; i < request.Count; i++)
        {
            await responseStream.WriteAsync(blob);
        }
    }

    public override Task<Spent> Account(Nothing request, ServerCallContext context) =>
        Task.FromResult(Spending.Now(collect: context.RequestHeaders.Get("collect") is not null));
}
