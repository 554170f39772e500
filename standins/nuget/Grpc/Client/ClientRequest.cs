using System.Net;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>The HTTP request a call starts with.</summary>
internal static class ClientRequest
{
    public static HttpRequestMessage Create(Uri address, string? host, Metadata? headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, address)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (host is not null)
        {
            request.Headers.Host = host;
        }

        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation("User-Agent", "grpc-dotnet/2.80.0");
        request.Headers.TryAddWithoutValidation(Frame.AcceptEncodingHeader, Frame.Encodings);
        for (var i = 0; i < headers?.Count; i++)
        {
            request.Headers.TryAddWithoutValidation(headers[i].Key, MetadataHeaders.Encode(headers[i]));
        }

        return request;
    }
}
