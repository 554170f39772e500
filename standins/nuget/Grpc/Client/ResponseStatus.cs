using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>The status of a call as its HTTP response tells it.</summary>
internal static class ResponseStatus
{
    /// <summary>The status and trailers of a response that is over with its headers; null when messages may follow.</summary>
    public static (Status Status, Metadata Trailers)? AtStart(HttpResponseMessage response)
    {
        if (Read(response.Headers) is { } status)
        {
            return (status, Metadata(response.Headers));
        }

        if (response.StatusCode != HttpStatusCode.OK)
        {
            return (new Status(Mapped(response.StatusCode), $"Bad gRPC response. HTTP status code: {(int)response.StatusCode}"), []);
        }

        var type = response.Content.Headers.NonValidated.TryGetValues("Content-Type", out var types) ? types.ToString() : null;
        return !Frame.IsContentType(type)
            ? (new Status(StatusCode.Cancelled, $"Bad gRPC response. Invalid content-type value: {type}"), [])
            : null;
    }

    public static (Status Status, Metadata Trailers) AtEnd(HttpResponseMessage response) =>
        (Read(response.TrailingHeaders) ?? new Status(StatusCode.Cancelled, "No grpc-status found on response."),
            Metadata(response.TrailingHeaders));

    public static Metadata Metadata(HttpResponseHeaders headers)
    {
        var metadata = Core.Metadata.Empty;
        foreach (var (name, values) in headers.NonValidated)
        {
            if (!MetadataHeaders.IsReserved(name))
            {
                metadata = metadata.IsReadOnly ? [] : metadata;
                foreach (var value in values)
                {
                    MetadataHeaders.Add(metadata, name, value);
                }
            }
        }

        return metadata;
    }

    public static string? Value(HttpResponseHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;

    private static Status? Read(HttpResponseHeaders headers)
    {
        if (Value(headers, "grpc-status") is not { } text)
        {
            return null;
        }

        var detail = PercentEncoding.Decode(Value(headers, "grpc-message") ?? "");
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
