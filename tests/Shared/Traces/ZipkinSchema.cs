using System.Text.Json;
using System.Text.RegularExpressions;

namespace Traces;

/// <summary>Validates a list of spans against the OpenAPI description of Zipkin's v2 API.</summary>
internal static class ZipkinSchema
{
    private static readonly string[] Kinds = ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"];

    /// <summary>Returns everything that Zipkin could reject or misinterpret; empty if the list is valid.</summary>
    public static IReadOnlyList<string> ProblemsOf(JsonElement spans) => spans.ValueKind == JsonValueKind.Array
        ? [.. spans.EnumerateArray().SelectMany(ProblemsOfSpan)]
        : ["not a list"];

    private static IEnumerable<string> ProblemsOfSpan(JsonElement span)
    {
        if (span.ValueKind != JsonValueKind.Object) return ["a span is not an object"];
        string[] required = [.. new[] { "traceId", "id" }.Where(name => !span.TryGetProperty(name, out _))];
        var twice = span.EnumerateObject().CountBy(member => member.Name).Where(count => count.Value > 1);
        return
        [
            .. required.Select(name => $"{name} is missing"),
            .. twice.Select(count => $"{count.Key} occurs {count.Value} times"),
            .. span.EnumerateObject().Where(member => !IsSound(member.Name, member.Value)).Select(member => $"{member.Name}: {member.Value.GetRawText()}"),
        ];
    }

    private static bool IsSound(string name, JsonElement value) => name switch
    {
        "traceId" => IsText(value, "^([0-9a-f]{16}|[0-9a-f]{32})$") && !IsText(value, "^0+$"),
        "id" or "parentId" => IsText(value, "^[0-9a-f]{16}$") && !IsText(value, "^0+$"),
        "name" => IsText(value, "."),
        "kind" => value.ValueKind == JsonValueKind.String && Kinds.Contains(value.GetString()),
        "timestamp" => IsWhole(value, 1, long.MaxValue),
        // The exporter of .NET rounds down to whole microseconds, and to 0 when the clock was set back meanwhile. Zipkin takes 0 for unknown.
        "duration" => IsWhole(value, 0, long.MaxValue),
        "debug" or "shared" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "localEndpoint" or "remoteEndpoint" => value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(IsSoundInEndpoint),
        "annotations" => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(IsAnnotation),
        "tags" => value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(tag => tag.Value.ValueKind == JsonValueKind.String),
        _ => false,
    };

    private static bool IsSoundInEndpoint(JsonProperty member) => member.Name switch
    {
        "serviceName" => IsText(member.Value, "."),
        "ipv4" => IsText(member.Value, @"^\d+\.\d+\.\d+\.\d+$"),
        "ipv6" => IsText(member.Value, "^[0-9a-f:.]+$"),
        "port" => IsWhole(member.Value, 1, 65535),
        _ => false,
    };

    private static bool IsAnnotation(JsonElement annotation) => annotation.ValueKind == JsonValueKind.Object
        && annotation.TryGetProperty("timestamp", out var timestamp) && IsWhole(timestamp, 1, long.MaxValue)
        && annotation.TryGetProperty("value", out var value) && value.ValueKind == JsonValueKind.String
        && annotation.EnumerateObject().Count() == 2;

    private static bool IsText(JsonElement value, string pattern) => value.ValueKind == JsonValueKind.String && Regex.IsMatch(value.GetString()!, pattern);

    private static bool IsWhole(JsonElement value, long least, long most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most;
}
