using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;

namespace Daprd.Api;

/// <summary>The sidecar's metadata in the JSON of the HTTP API, whose field names differ from the protobuf JSON mapping.</summary>
internal static class HttpMetadata
{
    public static void Write(Utf8JsonWriter writer, GetMetadataResponse metadata)
    {
        writer.WriteStartObject();
        writer.WriteString("id", metadata.Id);
        writer.WriteString("runtimeVersion", metadata.RuntimeVersion);
        Each(writer, "components", metadata.RegisteredComponents, component =>
        {
            writer.WriteString("name", component.Name);
            writer.WriteString("type", component.Type);
            writer.WriteString("version", component.Version);
            writer.WriteStartArray("capabilities");
            foreach (var capability in component.Capabilities) writer.WriteStringValue(capability);
            writer.WriteEndArray();
        });
        WriteTexts(writer, "extended", metadata.ExtendedMetadata);
        Each(writer, "subscriptions", metadata.Subscriptions, subscription =>
        {
            writer.WriteString("pubsubname", subscription.PubsubName);
            writer.WriteString("topic", subscription.Topic);
            if (subscription.Metadata.Count > 0) WriteTexts(writer, "metadata", subscription.Metadata);
            Each(writer, "rules", subscription.Rules.Rules, rule =>
            {
                if (rule.Match.Length > 0) writer.WriteString("match", rule.Match);
                writer.WriteString("path", rule.Path);
            });
            if (subscription.DeadLetterTopic.Length > 0) writer.WriteString("deadLetterTopic", subscription.DeadLetterTopic);
            writer.WriteString("type", subscription.Type.ToString().ToUpperInvariant());
        });
        if (metadata.AppConnectionProperties is { } app)
        {
            writer.WriteStartObject("appConnectionProperties");
            writer.WriteNumber("port", app.Port);
            writer.WriteString("protocol", app.Protocol);
            writer.WriteString("channelAddress", app.ChannelAddress);
            // Zero means no limit and is omitted.
            if (app.MaxConcurrency != 0) writer.WriteNumber("maxConcurrency", app.MaxConcurrency);
            if (app.Health is { } health)
            {
                writer.WriteStartObject("health");
                writer.WriteString("healthProbeInterval", health.HealthProbeInterval);
                writer.WriteString("healthProbeTimeout", health.HealthProbeTimeout);
                writer.WriteNumber("healthThreshold", health.HealthThreshold);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        writer.WriteStartObject("actorRuntime");
        writer.WriteString("runtimeStatus", "DISABLED");
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, IEnumerable<KeyValuePair<string, string>> texts)
    {
        writer.WriteStartObject(name);
        foreach (var (key, value) in texts) writer.WriteString(key, value);
        writer.WriteEndObject();
    }

    private static void Each<T>(Utf8JsonWriter writer, string name, IReadOnlyCollection<T> items, Action<T> write)
    {
        if (items.Count == 0) return;
        writer.WriteStartArray(name);
        foreach (var item in items)
        {
            writer.WriteStartObject();
            write(item);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
