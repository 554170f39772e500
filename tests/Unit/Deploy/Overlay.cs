using System.Text.Json.Nodes;
using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>What is applied to a cluster, as kustomize puts it together.</summary>
internal sealed class Overlay
{
    /// <summary>The overlays of the repository, and production with each choice of store and broker that docs/kubernetes.md has.</summary>
    private static readonly Dictionary<string, (string Folder, string[] Components)> Sources = new()
    {
        ["kind"] = Source("kind"),
        ["production"] = Source("production"),
        ["production with PostgreSQL"] = Source("production", "state-postgresql", "pubsub-redis", "keda"),
        ["production with RabbitMQ"] = Source("production", "state-redis", "pubsub-rabbitmq", "autoscaling"),
        ["production with PostgreSQL and RabbitMQ"] = Source("production", "state-postgresql", "pubsub-rabbitmq", "autoscaling"),
    };

    private static readonly Dictionary<string, Lazy<Overlay>> All = Sources.ToDictionary(
        source => source.Key, source => new Lazy<Overlay>(() => new(Kustomize.Build(source.Value.Folder, source.Value.Components))));

    private readonly object[] manifests;

    private Overlay(IReadOnlyList<JsonObject> nodes)
    {
        Nodes = nodes;
        manifests = [.. nodes.Select(Manifest.Parse)];
    }

    public static TheoryData<string> Names => [.. All.Keys];

    /// <summary>The files that any of them is built from, by their paths from the root.</summary>
    public static IReadOnlySet<string> Files => Sources.Values.SelectMany(source => Kustomize.GetFiles(source.Folder, source.Components)).ToHashSet();

    public IReadOnlyList<JsonObject> Nodes { get; }

    /// <summary>The services and the console, by app id.</summary>
    public IReadOnlyDictionary<string, V1Deployment> Apps => Of<V1Deployment>().Where(one => AppId(one) is not null).ToDictionary(one => AppId(one)!);

    /// <summary>The pods of all that is deployed, by its name.</summary>
    public IReadOnlyDictionary<string, V1PodTemplateSpec> Pods => Of<V1Deployment>().Select(one => (one.Metadata.Name, one.Spec.Template))
        .Concat(Of<V1StatefulSet>().Select(one => (one.Metadata.Name, one.Spec.Template))).ToDictionary(one => one.Name, one => one.Template);

    public static Overlay Get(string name) => All[name].Value;

    public IEnumerable<T> Of<T>() => manifests.OfType<T>();

    /// <summary>The environment of an app; a value from a secret is 'secret'.</summary>
    public Dictionary<string, string> Environment(V1Deployment app)
    {
        var container = app.Spec.Template.Spec.Containers.Single();
        var maps = container.EnvFrom.Select(source => Of<V1ConfigMap>().Single(map => map.Metadata.Name == source.ConfigMapRef.Name));
        var environment = maps.SelectMany(map => map.Data).ToDictionary();
        foreach (var variable in container.Env) environment.Add(variable.Name, variable.Value ?? "secret");
        return environment;
    }

    private static (string Folder, string[] Components) Source(string folder, params string[] components) =>
        ($"deploy/kubernetes/overlays/{folder}", [.. components.Select(component => $"../../components/{component}")]);

    private static string? AppId(V1Deployment deployment) =>
        deployment.Spec.Template.Metadata.Annotations?.TryGetValue("dapr.io/app-id", out var id) == true ? id : null;
}
