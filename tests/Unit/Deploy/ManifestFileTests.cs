using System.Text.Json;
using System.Text.Json.Nodes;
using k8s.Models;
using YamlDotNet.Core;

namespace Saga.Tests.Deploy;

/// <summary>The files below deploy/kubernetes and components, each by itself, and what is built from them.</summary>
public sealed class ManifestFileTests
{
    public static TheoryData<string> Files => [.. new[] { "deploy/kubernetes", "components" }.SelectMany(Repository.FilesBelow)
        .Where(file => file.EndsWith(".yaml", StringComparison.Ordinal))];

    public static TheoryData<string> Overlays => Overlay.Names;

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_document_is_what_it_says_it_is(string file)
    {
        var documents = Yaml.Read(file);
        Assert.NotEmpty(documents);
        Assert.All(documents, document => Manifest.Parse(document));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Each_manifest_is_there_once_and_in_one_namespace(string overlay)
    {
        var applied = Overlay.Get(overlay);
        Assert.Distinct(applied.Nodes.Select(node => $"{node["kind"]} {node["metadata"]!["name"]}"));
        var space = Assert.Single(applied.Of<V1Namespace>()).Metadata.Name;
        var others = applied.Nodes.Where(node => (string?)node["kind"] != "Namespace");
        Assert.All(others, node => Assert.Equal(space, (string?)node["metadata"]!["namespace"]));
    }

    [Theory]
    [InlineData("apps/v1", "Deployment", """{"spec":{"replica":2}}""")]
    [InlineData("apps/v1", "Deployment", """{"spec":{"template":{"spec":{"containers":[{"name":"app","readinesProbe":{}}]}}}}""")]
    [InlineData("apps/v1", "Deployment", """{"spec":{"template":{"spec":{"containers":[{"livenessProbe":{"httpGet":{"paths":"/"}}}]}}}}""")]
    [InlineData("networking.k8s.io/v1", "NetworkPolicy", """{"spec":{"podSelector":{},"ingres":[]}}""")]
    [InlineData("policy/v1", "PodDisruptionBudget", """{"spec":{"maxUnavailble":1}}""")]
    [InlineData("autoscaling/v2", "HorizontalPodAutoscaler", """{"spec":{"maxReplica":10}}""")]
    [InlineData("dapr.io/v1alpha1", "Component", """{"spec":{"type":"state.redis","version":"v1","metadata":[]},"scope":["orders"],"scopes":[]}""")]
    [InlineData("dapr.io/v1alpha1", "Component", """{"spec":{"type":"a","version":"v1","metadata":[{"name":"a","secretRef":"b"}]},"scopes":[]}""")]
    [InlineData("dapr.io/v1alpha1", "Configuration", """{"spec":{"api":{"allow":[]}}}""")]
    [InlineData("dapr.io/v1alpha1", "Resiliency", """{"spec":{"policies":{},"targets":{"component":{}}}}""")]
    [InlineData("keda.sh/v1alpha1", "ScaledObject", """{"spec":{"scaleTargetRef":{"name":"orders"},"triggers":[],"minReplicas":2}}""")]
    [InlineData("keda.sh/v1alpha1", "TriggerAuthentication", """{"spec":{"secretTargetRefs":[]}}""")]
    [InlineData("kustomize.config.k8s.io/v1beta1", "Kustomization", """{"namePrefix":"shop-"}""")]
    public void An_unknown_field_is_refused(string apiVersion, string kind, string rest)
    {
        var refused = Assert.Throws<JsonException>(() => Manifest.Parse(Create(apiVersion, kind, rest)));
        Assert.Contains("could not be mapped", refused.Message);
    }

    [Theory]
    [InlineData("apps/v1", "Deployment", """{"spec":{"replicas":"2"}}""")]
    [InlineData("apps/v1", "Deployment", """{"spec":{"template":{"metadata":{"annotations":{"dapr.io/enabled":true}}}}}""")]
    [InlineData("v1", "ConfigMap", """{"data":{"Saga__Caching":false}}""")]
    [InlineData("dapr.io/v1alpha1", "Component", """{"spec":{"type":"a","version":"v1","metadata":[{"name":"a","value":256}]},"scopes":[]}""")]
    [InlineData("dapr.io/v1alpha1", "Component", """{"spec":{"type":"state.redis","metadata":[]},"scopes":[]}""")]
    [InlineData("apps/v1", "Deploiment", """{}""")]
    public void A_value_of_another_type_a_missing_one_and_an_unknown_kind_are_refused(string apiVersion, string kind, string rest) =>
        Assert.ThrowsAny<JsonException>(() => Manifest.Parse(Create(apiVersion, kind, rest)));

    [Theory]
    [InlineData("a: 1\na: 2")]
    [InlineData("a: yes")]
    [InlineData("a: True")]
    public void A_key_twice_and_a_word_that_may_be_a_boolean_are_refused(string text) => Assert.ThrowsAny<YamlException>(() => Yaml.Parse(text));

    [Fact]
    public void A_patch_that_does_not_fit_is_refused()
    {
        var manifest = JsonNode.Parse("""{"spec":{"metadata":[{"name":"redisHost","value":"localhost:6379"}]}}""")!.AsObject();
        foreach (var operation in (string[])
        [
            """{"op":"test","path":"/spec/metadata/0/name","value":"redisPassword"}""",
            """{"op":"replace","path":"/spec/metadata/1/value","value":""}""",
            """{"op":"replace","path":"/spec/kind","value":""}""",
            """{"op":"remove","path":"/spec/type/name"}""",
            """{"op":"move","path":"/spec/metadata/0"}""",
        ])
        {
            Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => JsonPatch.Apply(manifest, JsonNode.Parse($"[{operation}]")!.AsArray(), "a patch"));
        }
    }

    private static JsonObject Create(string apiVersion, string kind, string rest)
    {
        var manifest = JsonNode.Parse(rest)!.AsObject();
        manifest["apiVersion"] = apiVersion;
        manifest["kind"] = kind;
        manifest["metadata"] = new JsonObject { ["name"] = "example" };
        return manifest;
    }
}
