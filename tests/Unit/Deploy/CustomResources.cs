using System.Text.Json.Nodes;
using k8s.Models;

namespace Saga.Tests.Deploy;

// What the schemas of these kinds allow, as far as deploy/kubernetes and components/ use it. A field that is not nullable is required.

/// <summary>Dapr's; so are the next two kinds.</summary>
/// <param name="Auth">Where the secrets of secretKeyRef are.</param>
/// <param name="Scopes">The apps that have it.</param>
internal sealed record Component(string ApiVersion, string Kind, V1ObjectMeta Metadata, ComponentSpec Spec, SecretStoreRef? Auth, string[] Scopes);

internal sealed record ComponentSpec(string Type, string Version, ComponentSetting[] Metadata);

internal sealed record ComponentSetting(string Name, string? Value, SecretKeyRef? SecretKeyRef);

internal sealed record SecretKeyRef(string Name, string Key);

internal sealed record SecretStoreRef(string SecretStore);

internal sealed record Configuration(string ApiVersion, string Kind, V1ObjectMeta Metadata, ConfigurationSpec Spec);

internal sealed record ConfigurationSpec(TracingSpec? Tracing, ApiSpec? Api, AccessControlSpec? AccessControl);

internal sealed record TracingSpec(string? SamplingRate, ZipkinSpec? Zipkin, OtelSpec? Otel);

internal sealed record ZipkinSpec(string EndpointAddress);

internal sealed record OtelSpec(string EndpointAddress, bool? IsSecure, string Protocol);

internal sealed record ApiSpec(ApiRule[]? Allowed, ApiRule[]? Denied);

internal sealed record ApiRule(string Name, string Version, string? Protocol);

internal sealed record AccessControlSpec(string? DefaultAction, string? TrustDomain, AppPolicy[]? Policies);

internal sealed record AppPolicy(string AppId, string? DefaultAction, string? TrustDomain, string? Namespace, AppOperation[]? Operations);

internal sealed record AppOperation(string Name, string Action, string[]? HttpVerb);

internal sealed record Resiliency(string ApiVersion, string Kind, V1ObjectMeta Metadata, ResiliencySpec Spec, string[]? Scopes);

internal sealed record ResiliencySpec(ResiliencyPolicies Policies, ResiliencyTargets Targets);

internal sealed record ResiliencyPolicies(Dictionary<string, string>? Timeouts, Dictionary<string, RetryPolicy>? Retries);

internal sealed record RetryPolicy(string? Policy, string? Duration, string? MaxInterval, int? MaxRetries);

internal sealed record ResiliencyTargets(Dictionary<string, ComponentPolicies>? Components);

internal sealed record ComponentPolicies(PolicyNames? Inbound, PolicyNames? Outbound);

internal sealed record PolicyNames(string? Timeout, string? Retry, string? CircuitBreaker);

/// <summary>KEDA's.</summary>
internal sealed record ScaledObject(string ApiVersion, string Kind, V1ObjectMeta Metadata, ScaledObjectSpec Spec);

internal sealed record ScaledObjectSpec(
    ScaleTarget ScaleTargetRef, int? PollingInterval, int? CooldownPeriod, int? MinReplicaCount, int? MaxReplicaCount, ScaleFallback? Fallback,
    ScaleTrigger[] Triggers);

internal sealed record ScaleTarget(string Name, string? ApiVersion, string? Kind, string? EnvSourceContainerName);

internal sealed record ScaleFallback(int FailureThreshold, int Replicas, string? Behavior);

internal sealed record ScaleTrigger(
    string Type, string? Name, string? MetricType, bool? UseCachedMetrics, Dictionary<string, string> Metadata, AuthenticationRef? AuthenticationRef);

internal sealed record AuthenticationRef(string Name, string? Kind);

internal sealed record TriggerAuthentication(string ApiVersion, string Kind, V1ObjectMeta Metadata, TriggerAuthenticationSpec Spec);

internal sealed record TriggerAuthenticationSpec(SecretTargetRef[]? SecretTargetRef);

internal sealed record SecretTargetRef(string Parameter, string Name, string Key);

/// <summary>kustomize's, both kinds: Kustomization and Component.</summary>
internal sealed record Kustomization(
    string ApiVersion, string Kind, string? Namespace, string[]? Resources, string[]? Components, PatchFile[]? Patches,
    GeneratedMap[]? ConfigMapGenerator, ImageTag[]? Images);

/// <param name="Target">Null: what the patch itself names.</param>
internal sealed record PatchFile(string Path, PatchTarget? Target);

internal sealed record PatchTarget(string? Group, string? Kind, string? Name, string? LabelSelector);

internal sealed record GeneratedMap(string Name, string[] Literals);

internal sealed record ImageTag(string Name, string? NewName, string NewTag);

internal sealed record PatchOperation(string Op, string Path, JsonNode? Value);
