using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Saga;

/// <summary>Shows what handling an event would do, and does nothing: the real handlers run on a sidecar that only remembers.</summary>
/// <param name="services">What the service is made of.</param>
/// <param name="hear">What it hears.</param>
internal sealed class DryRun(IServiceCollection services, Func<IServiceProvider, Subscriptions> hear, ISidecar sidecar, JsonSerializerOptions json)
{
    /// <returns>A line for each document that would change and each event that would be said; and why it would fail, or nothing.</returns>
    public async Task<(IReadOnlyList<string> Effects, string Failure)> RunAsync(string topic, IMessage e, CancellationToken ct)
    {
        var recorder = new RecordingSidecar(sidecar, json);
        IServiceCollection stage = new ServiceCollection();
        foreach (var service in services.Where(service => service.ServiceType != typeof(IHostedService))) stage.Add(service);
        stage.Replace(ServiceDescriptor.Singleton<ISidecar>(recorder));
        stage.Replace(ServiceDescriptor.Singleton<ILoggerFactory>(NullLoggerFactory.Instance));
        await using var provider = stage.BuildServiceProvider();
        try
        {
            await hear(provider).OnRedriven(topic)!.HandleAsync(e, ct);
            return (recorder.Effects, "");
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            return (recorder.Effects, fault.Message);
        }
    }
}

/// <summary>Reads from the real one, and keeps to itself what is written and said.</summary>
internal sealed class RecordingSidecar(ISidecar real, JsonSerializerOptions json) : ISidecar
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, JsonNode?> before = [];
    private readonly Dictionary<string, (object? Value, string ETag)> after = [];
    private readonly List<OutgoingEvent> said = [];

    /// <summary>A line for each document that has changed and each event that was said.</summary>
    public IReadOnlyList<string> Effects
    {
        get
        {
            lock (gate)
            {
                // What is noted in the open log, in order to look after it, is no effect.
                var changes = after.Where(document => !document.Key.StartsWith("open:", StringComparison.Ordinal))
                    .Select(document => (document.Key, Changes: string.Join(", ", Differences("", before.GetValueOrDefault(document.Key), NodeOf(document.Value.Value)))))
                    .Where(document => document.Changes.Length > 0).Select(document => $"{document.Key}: {document.Changes}");
                return [.. changes, .. said.Select(e => $"says {e.Topic}: {JsonFormatter.Default.Format(e.Message)}")];
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
        lock (gate) before[key] = NodeOf(read.Value);
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
        // A create comes without a read, and fails when there is a document.
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
        lock (gate) said.Add(e);
        return Task.CompletedTask;
    }

    private JsonNode? NodeOf(object? value) => value is null ? null : JsonSerializer.SerializeToNode(value, json.GetTypeInfo(value.GetType()));

    /// <summary>holdings.available 5 → 4, holdings.held 0 → 1: each field that differs.</summary>
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
