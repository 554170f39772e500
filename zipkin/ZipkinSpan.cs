using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Zipkin;

/// <summary>A span as Zipkin's v2 JSON has it, mapped as OpenTelemetry says; links, for which it says nothing, become tags.</summary>
public static class ZipkinSpan
{
    private const string Error = "error", StatusCode = "otel.status_code";

    /// <summary>Who was called, the best known name first.</summary>
    private static readonly (string Address, string? Port)[] Peers =
    [
        ("peer.service", null), ("server.address", null), ("net.peer.name", null), ("network.peer.address", "network.peer.port"),
        ("server.socket.domain", null), ("server.socket.address", "server.socket.port"), ("net.sock.peer.name", null),
        ("net.sock.peer.addr", "net.sock.peer.port"), ("peer.hostname", null), ("peer.address", null), ("db.name", null),
    ];

    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one object.</summary>
    public static void Write(Utf8JsonWriter json, Activity span, string serviceName)
    {
        json.WriteStartObject();
        json.WriteString("traceId", span.TraceId.ToHexString());
        if (span.ParentSpanId != default) json.WriteString("parentId", span.ParentSpanId.ToHexString());
        json.WriteString("id", span.SpanId.ToHexString());
        json.WriteString("name", span.DisplayName);
        if (KindOf(span.Kind) is { } kind) json.WriteString("kind", kind);
        json.WriteNumber("timestamp", Microseconds(span.StartTimeUtc));
        // Zero would mean unknown.
        json.WriteNumber("duration", Math.Max(1, span.Duration.Ticks / TimeSpan.TicksPerMicrosecond));
        WriteEndpoint(json, "localEndpoint", serviceName);
        if (span.Kind is ActivityKind.Client or ActivityKind.Producer && PeerOf(span) is { } peer) WriteEndpoint(json, "remoteEndpoint", peer);
        WriteAnnotations(json, span);
        WriteTags(json, span);
        json.WriteEndObject();
    }

    private static string? KindOf(ActivityKind kind) => kind switch
    {
        ActivityKind.Client => "CLIENT",
        ActivityKind.Server => "SERVER",
        ActivityKind.Producer => "PRODUCER",
        ActivityKind.Consumer => "CONSUMER",
        ActivityKind.Internal or _ => null,
    };

    private static void WriteEndpoint(Utf8JsonWriter json, string name, string serviceName)
    {
        json.WriteStartObject(name);
        json.WriteString("serviceName", serviceName);
        json.WriteEndObject();
    }

    private static string? PeerOf(Activity span)
    {
        foreach (var (address, port) in Peers)
        {
            if (span.GetTagItem(address) is not { } found) continue;
            return port is not null && span.GetTagItem(port) is { } at ? $"{Text(found)}:{Text(at)}" : Text(found);
        }
        return null;
    }

    private static void WriteAnnotations(Utf8JsonWriter json, Activity span)
    {
        var first = true;
        foreach (ref readonly var happened in span.EnumerateEvents())
        {
            if (first) json.WriteStartArray("annotations");
            first = false;
            json.WriteStartObject();
            json.WriteNumber("timestamp", Microseconds(happened.Timestamp.UtcDateTime));
            json.WriteString("value", Value(happened));
            json.WriteEndObject();
        }
        if (!first) json.WriteEndArray();
    }

    /// <summary>The event's name; one with attributes as "name": {"key":"value"}.</summary>
    private static string Value(in ActivityEvent happened)
    {
        using var attributes = new MemoryStream();
        using (var json = new Utf8JsonWriter(attributes, Readable))
        {
            json.WriteStartObject();
            foreach (ref readonly var tag in happened.EnumerateTagObjects()) json.WriteString(tag.Key, Text(tag.Value));
            json.WriteEndObject();
        }
        return attributes.Length <= 2 ? happened.Name : $"\"{happened.Name}\": {Encoding.UTF8.GetString(attributes.GetBuffer(), 0, (int)attributes.Length)}";
    }

    private static void WriteTags(Utf8JsonWriter json, Activity span)
    {
        json.WriteStartObject("tags");
        foreach (ref readonly var tag in span.EnumerateTagObjects())
        {
            // The status alone says whether it is an error: Zipkin takes any span with this tag for one, even when it says false.
            if (tag.Value is not null && tag.Key is not (Error or StatusCode)) json.WriteString(tag.Key, Text(tag.Value));
        }
        if (span.Status != ActivityStatusCode.Unset) json.WriteString(StatusCode, span.Status == ActivityStatusCode.Error ? "ERROR" : "OK");
        if (span.Status == ActivityStatusCode.Error) json.WriteString(Error, span.StatusDescription ?? "");
        if (span.Source.Name.Length > 0) json.WriteString("otel.scope.name", span.Source.Name);
        if (!string.IsNullOrEmpty(span.Source.Version)) json.WriteString("otel.scope.version", span.Source.Version);
        var at = 0;
        foreach (ref readonly var link in span.EnumerateLinks())
        {
            json.WriteString($"otel.link.{at}.trace_id", link.Context.TraceId.ToHexString());
            if (link.Context.SpanId != default) json.WriteString($"otel.link.{at}.span_id", link.Context.SpanId.ToHexString());
            at++;
        }
        json.WriteEndObject();
    }

    private static long Microseconds(DateTime utc) => (utc - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>An attribute's value; an array as a JSON list.</summary>
    private static string Text(object? value) => value switch
    {
        null => "",
        string text => text,
        bool truth => truth ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        IEnumerable list => List(list),
        _ => value.ToString() ?? "",
    };

    private static string List(IEnumerable list)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Readable))
        {
            json.WriteStartArray();
            foreach (var item in list)
            {
                switch (item)
                {
                    case null:
                        json.WriteNullValue();
                        break;
                    case bool truth:
                        json.WriteBooleanValue(truth);
                        break;
                    case long or int or short or byte or double or float:
                        json.WriteRawValue(Text(item));
                        break;
                    default:
                        json.WriteStringValue(Text(item));
                        break;
                }
            }
            json.WriteEndArray();
        }
        return Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }
}
