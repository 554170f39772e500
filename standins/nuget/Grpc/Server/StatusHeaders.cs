using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Grpc.AspNetCore.Server;

/// <summary>A status and trailers as header fields.</summary>
internal static class StatusHeaders
{
    private static readonly StringValues[] Codes = [.. Enumerable.Range(0, 17).Select(code => new StringValues($"{code}"))];

    public static void Write(IHeaderDictionary headers, Status status)
    {
        var code = (int)status.StatusCode;
        headers.GrpcStatus = code >= 0 && code < Codes.Length ? Codes[code] : $"{code}";
        if (!string.IsNullOrEmpty(status.Detail))
        {
            headers.GrpcMessage = PercentEncoding.Encode(status.Detail);
        }
    }

    public static void Write(IHeaderDictionary headers, Metadata metadata)
    {
        foreach (var entry in metadata)
        {
            headers.Append(entry.Key, MetadataHeaders.Encode(entry));
        }
    }
}
