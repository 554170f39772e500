using Grpc.Core;

namespace Grpc.AspNetCore.Server;

internal sealed class RequestStream<T>(ServerCall call, Marshaller<T> marshaller) : IAsyncStreamReader<T>
    where T : class
{
    private T? current;

    public T Current => current ?? throw new InvalidOperationException("There is no current message: MoveNext has found none.");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        current = await call.ReadNextAsync(marshaller, cancellationToken);
        return current is not null;
    }
}
