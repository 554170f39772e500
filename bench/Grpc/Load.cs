using Grpc.Core;

namespace Bench;

/// <summary>What is measured.</summary>
internal static class Load
{
    public static Task UnaryAsync(Echo.EchoClient client, Blob blob, int calls, int atOnce)
    {
        var left = calls;
        return Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                await client.UnaryAsync(blob);
            }
        }));
    }

    public static async Task StreamAsync(Echo.EchoClient client, int messages, int size)
    {
        using var call = client.Stream(new Order { Count = messages, Size = size });
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
        }
    }
}
