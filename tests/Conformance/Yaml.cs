namespace Conformance;

/// <summary>Resource files for tests.</summary>
internal static class Yaml
{
    public static string Component(string name, string type, params (string Name, string Value)[] metadata) =>
        $"""
        ---
        apiVersion: dapr.io/v1alpha1
        kind: Component
        metadata:
          name: {name}
        spec:
          type: {type}
          version: v1
          metadata: [{string.Join(", ", metadata.Select(m => $"{{name: {m.Name}, value: \"{m.Value}\"}}"))}]

        """;

    public static string Redis(string name, string type, RedisServer redis, params (string Name, string Value)[] metadata) =>
        Component(name, type, [("redisHost", redis.Address), .. metadata]);

    /// <param name="policies">The policies, as a flow mapping.</param>
    /// <param name="targets">The targets, as a flow mapping.</param>
    public static string Resiliency(string policies, string targets) =>
        $"""
        ---
        apiVersion: dapr.io/v1alpha1
        kind: Resiliency
        metadata:
          name: policies
        spec:
          policies: {policies}
          targets: {targets}

        """;

    /// <summary>A constant retry of deliveries from the component, after one millisecond each. -1: without limit.</summary>
    public static string Retries(string component, int retries) =>
        $"""
        ---
        apiVersion: dapr.io/v1alpha1
        kind: Resiliency
        metadata:
          name: again
        spec:
          policies:
            retries:
              again: {"{"}policy: constant, duration: 1ms, maxRetries: {retries}{"}"}
          targets:
            components:
              {component}:
                inbound: {"{"}retry: again{"}"}

        """;
}
