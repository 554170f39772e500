using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>Manifests as typed objects. A field that the type does not have, one that it needs, and a value of another type fail.</summary>
internal static class Manifest
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        PropertyNameCaseInsensitive = false,
        NumberHandling = JsonNumberHandling.Strict,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver().WithAddedModifier(RequireMembers),
    };

    private static readonly Dictionary<string, Type> Types = new()
    {
        ["v1/Namespace"] = typeof(V1Namespace),
        ["v1/ConfigMap"] = typeof(V1ConfigMap),
        ["v1/Service"] = typeof(V1Service),
        ["v1/ServiceAccount"] = typeof(V1ServiceAccount),
        ["apps/v1/Deployment"] = typeof(V1Deployment),
        ["apps/v1/StatefulSet"] = typeof(V1StatefulSet),
        ["policy/v1/PodDisruptionBudget"] = typeof(V1PodDisruptionBudget),
        ["autoscaling/v2/HorizontalPodAutoscaler"] = typeof(V2HorizontalPodAutoscaler),
        ["networking.k8s.io/v1/NetworkPolicy"] = typeof(V1NetworkPolicy),
        ["networking.k8s.io/v1/Ingress"] = typeof(V1Ingress),
        ["dapr.io/v1alpha1/Component"] = typeof(Component),
        ["dapr.io/v1alpha1/Configuration"] = typeof(Configuration),
        ["dapr.io/v1alpha1/Resiliency"] = typeof(Resiliency),
        ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        ["keda.sh/v1alpha1/TriggerAuthentication"] = typeof(TriggerAuthentication),
        ["kustomize.config.k8s.io/v1beta1/Kustomization"] = typeof(Kustomization),
        ["kustomize.config.k8s.io/v1alpha1/Component"] = typeof(Kustomization),
    };

    /// <exception cref="JsonException">It is no such thing.</exception>
    public static T Parse<T>(JsonNode manifest) => manifest.Deserialize<T>(Strict)!;

    /// <summary>By its apiVersion and kind; a patch in a list by its operations.</summary>
    /// <exception cref="JsonException">It is no such thing.</exception>
    public static object Parse(JsonNode manifest)
    {
        if (manifest is JsonArray) return Parse<PatchOperation[]>(manifest);
        var kind = $"{manifest["apiVersion"]}/{manifest["kind"]}";
        return manifest.Deserialize(Types.GetValueOrDefault(kind) ?? throw new JsonException($"The kind {kind} is not known here."), Strict)!;
    }

    /// <summary>What is neither nullable nor has a default value must be there.</summary>
    private static void RequireMembers(JsonTypeInfo type)
    {
        foreach (var member in type.Properties)
        {
            if (member.AssociatedParameter is { HasDefaultValue: false, IsNullable: false }) member.IsRequired = true;
        }
    }
}
