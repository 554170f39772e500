using System.Globalization;
using System.Net;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>The status of a call as its HTTP response tells it.</summary>
internal static class ResponseStatus
{
    /// <summary>The status and trailers of a response that is over with its headers; null when messages may follow.</summary>
    public static (Status Status, Metadata Trailers)? AtStart(Fields headers)
    {
        if (Read(headers) is { } status)
        {
            return (status, Metadata(headers));
        }

        if (headers.Status != (int)HttpStatusCode.OK)
        {
            return (new Status(Mapped((HttpStatusCode)headers.Status), $"Bad gRPC response. HTTP status code: {headers.Status}"), []);
        }

        var type = headers["content-type"];
        return !Frame.IsContentType(type)
            ? (new Status(StatusCode.Cancelled, $"Bad gRPC response. Invalid content-type value: {type}"), [])
            : null;
    }

    public static (Status Status, Metadata Trailers) AtEnd(Fields trailers) =>
        (Read(trailers) ?? new Status(StatusCode.Cancelled, "No grpc-status found on response."), Metadata(trailers));

    public static Metadata Metadata(Fields fields)
    {
        var metadata = Core.Metadata.Empty;
        foreach (var (name, value) in fields.All)
        {
            if (!MetadataHeaders.IsReserved(name))
            {
                metadata = metadata.IsReadOnly ? [] : metadata;
                MetadataHeaders.Add(metadata, name, value);
            }
        }

        return metadata;
    }

    private static Status? Read(Fields headers)
    {
        if (headers["grpc-status"] is not { } text)
        {
            return null;
        }

        var detail = PercentEncoding.Decode(headers["grpc-message"] ?? "");
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var code)
            ? new Status(code is >= 0 and <= (int)StatusCode.Unauthenticated ? (StatusCode)code : StatusCode.Unknown, detail)
            : new Status(StatusCode.Unknown, $"The server's grpc-status is '{text}', which is no number. {detail}");
    }

    private static StatusCode Mapped(HttpStatusCode http) => http switch
    {
        HttpStatusCode.BadRequest => StatusCode.Internal,
        HttpStatusCode.Unauthorized => StatusCode.Unauthenticated,
        HttpStatusCode.Forbidden => StatusCode.PermissionDenied,
        HttpStatusCode.NotFound => StatusCode.Unimplemented,
        HttpStatusCode.TooManyRequests
            or HttpStatusCode.BadGateway
            or HttpStatusCode.ServiceUnavailable
            or HttpStatusCode.GatewayTimeout => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };
}
