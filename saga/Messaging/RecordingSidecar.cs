using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Saga.Dapr;

namespace Saga.Messaging;

/// <summary>Reads from the real sidecar, and records writes and publishes instead of making them.</summary>
internal sealed class RecordingSidecar(ISidecar real, Func<string, bool> isBookkeeping, JsonSerializerOptions json) : ISidecar
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, JsonNode?> before = [];
    private readonly Dictionary<string, (object? Value, string ETag)> after = [];
    private readonly List<OutgoingEvent> published = [];

    /// <summary>A line for each changed document and each published event.</summary>
    public IReadOnlyList<string> Effects
    {
        get
        {
            lock (gate)
            {
                var changes =
                    from document in after
                    where !isBookkeeping(document.Key)
                    let differences = string.Join(", ", Differences("", before.GetValueOrDefault(document.Key), ToNode(document.Value.Value)))
                    where differences.Length > 0
                    select $"{document.Key}: {differences}";
                return [.. changes, .. published.Select(e => $"publishes {e.Topic}: {JsonFormatter.Default.Format(e.Message)}")];
            }
        }
    }

    public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
    {
        lock (gate)
        {
            if (after.TryGetValue(key, out var written)) return new(key, (T?)written.Value, written.ETag);
        }
        var read = await real.ReadAsync<T>(key, ct);
        lock (gate) before[key] = ToNode(read.Value);
        return read;
    }

    public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class
    {
        List<Versioned<T>> read = [];
        foreach (var key in keys) read.Add(await ReadAsync<T>(key, ct));
        return read;
    }

    public async Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
    {
        // A create has no read before it, and conflicts when the document exists.
        if (read.ETag.Length == 0 && (await ReadAsync<T>(read.Key, ct)).Value is not null) return false;
        lock (gate)
        {
            if (after.TryGetValue(read.Key, out var written) && written.ETag != read.ETag) return false;
            after[read.Key] = (value, $"{written.ETag}+");
            return true;
        }
    }

    public Task DeleteAsync(string key, CancellationToken ct)
    {
        lock (gate) after[key] = (null, "");
        return Task.CompletedTask;
    }

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct)
    {
        lock (gate) published.Add(e);
        return Task.CompletedTask;
    }

    private JsonNode? ToNode(object? value) => value is null ? null : JsonSerializer.SerializeToNode(value, json.GetTypeInfo(value.GetType()));

    /// <summary>Each field that differs: holdings.available 5 → 4, holdings.held 0 → 1.</summary>
    private static IEnumerable<string> Differences(string path, JsonNode? from, JsonNode? to)
    {
        if (from is JsonObject or null && to is JsonObject or null && (from ?? to) is not null)
        {
            var (left, right) = (from as JsonObject ?? [], to as JsonObject ?? []);
            return left.Select(field => field.Key).Union(right.Select(field => field.Key))
                .SelectMany(name => Differences(path.Length == 0 ? name : $"{path}.{name}", left[name], right[name]));
        }
        if (from is JsonArray or null && to is JsonArray or null && (from ?? to) is not null)
        {
            var (left, right) = (from as JsonArray ?? [], to as JsonArray ?? []);
            return Enumerable.Range(0, Math.Max(left.Count, right.Count))
                .SelectMany(at => Differences($"{path}[{at}]", at < left.Count ? left[at] : null, at < right.Count ? right[at] : null));
        }
        return JsonNode.DeepEquals(from, to) ? [] : [$"{path} {Shown(from)} → {Shown(to)}"];
    }

    private static string Shown(JsonNode? value) => value?.ToJsonString(Readable) ?? "nothing";

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
