using System.Text.Json.Nodes;
using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>What is applied to a cluster, as kustomize puts it together.</summary>
internal sealed class Overlay
{
    private const string Folder = "deploy/kubernetes/overlays";

    private static readonly Dictionary<string, Lazy<Overlay>> All = new()
    {
        ["kind"] = new(() => new(Kustomize.Build($"{Folder}/kind"))),
        ["production"] = new(() => new(Kustomize.Build($"{Folder}/production"))),
        ["production with PostgreSQL"] = new(() => new(Kustomize.Build(
            $"{Folder}/production", "../../components/state-postgresql", "../../components/pubsub-redis", "../../components/keda"))),
        ["production with RabbitMQ"] = new(() => new(Kustomize.Build(
            $"{Folder}/production", "../../components/state-redis", "../../components/pubsub-rabbitmq", "../../components/autoscaling"))),
    };

    private readonly object[] manifests;

    private Overlay(IReadOnlyList<JsonObject> nodes)
    {
        Nodes = nodes;
        manifests = [.. nodes.Select(Manifest.Parse)];
    }

    public static TheoryData<string> Names => [.. All.Keys];

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

    private static string? AppId(V1Deployment deployment) =>
        deployment.Spec.Template.Metadata.Annotations?.TryGetValue("dapr.io/app-id", out var id) == true ? id : null;
}
