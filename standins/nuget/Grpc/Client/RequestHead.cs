using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>What a request says before its messages.</summary>
/// <param name="Path"><c>/package.Service/Method</c>.</param>
/// <param name="Metadata">The caller's own. Null: none.</param>
/// <param name="Timeout">Null: the call waits for ever.</param>
/// <param name="Trace">Where in a trace the call is. Null: in none.</param>
internal readonly record struct RequestHead(
    string Authority, string Path, Metadata? Metadata, TimeSpan? Timeout, List<(string Name, string Value)>? Trace = null)
{
    /// <exception cref="RpcException">INTERNAL: a value cannot be sent as it is.</exception>
    public static void Check(Metadata? metadata)
    {
        for (var i = 0; i < metadata?.Count; i++)
        {
            if (!metadata[i].IsBinary && metadata[i].Value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            {
                throw new RpcException(new Status(StatusCode.Internal, $"The value of the header '{metadata[i].Key}' is not printable ASCII."));
            }
        }
    }
}
