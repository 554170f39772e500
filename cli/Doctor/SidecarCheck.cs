using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Grpc.Net.Client;
using DaprClient = Dapr.Client.Autogen.Grpc.v1.Dapr.DaprClient;

namespace Shop.Doctor;

/// <summary>Compares a sidecar's metadata with what its service needs.</summary>
internal static class SidecarCheck
{
    /// <summary>The first version whose metadata names the loaded resiliency policies.</summary>
    private static readonly Version ReportsPolicies = new(1, 18);

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    private const string StateStore = "statestore";

    /// <returns>Null: no answer; the reason is added to <paramref name="results"/>.</returns>
    public static async Task<GetMetadataResponse?> ReadAsync(
        ServiceEndpoint service, string address, List<CheckResult> results, CancellationToken ct)
    {
        using var channel = GrpcChannel.ForAddress(address);
        try
        {
            return await new DaprClient(channel).GetMetadataAsync(new(), CreateHeaders(), TimeProvider.System.GetUtcNow().UtcDateTime + Timeout, ct);
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.Unauthenticated)
        {
            var owner = PortOwner.Find(new(address));
            results.Add(CheckResult.Problem(GetName(service), "port", $"{address} asks for another token than DAPR_API_TOKEN, or than any.",
                "Set DAPR_API_TOKEN to the one that the sidecar was started with"
                + (owner is null ? "." : $"; or, when it is left over from another run, end {owner} with kill {owner.ProcessId} and start the shop again.")));
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            results.Add(await ServiceCheck.DiagnoseUnreachableAsync(GetName(service), address, $"--{service.AppId}-sidecar", fault, ct));
        }
        return null;
    }

    /// <summary>Tries the state store through the sidecar.</summary>
    /// <returns>Null: the sidecar has none, or is that of another service.</returns>
    public static async Task<CheckResult?> ProbeStoreAsync(
        ServiceEndpoint service, string address, GetMetadataResponse metadata, CancellationToken ct)
    {
        if (metadata.Id != service.AppId || FindComponent(metadata, StateStore, "state.") is null) return null;
        using var channel = GrpcChannel.ForAddress(address);
        return await new StoreProbe(new(channel), CreateHeaders(), service.AppId, ct).RunAsync(GetName(service));
    }

    /// <param name="wanted">The topics that the service subscribes to. Null: unknown.</param>
    public static IEnumerable<CheckResult> Evaluate(ServiceEndpoint service, GetMetadataResponse metadata, IReadOnlyList<TopicSubscription>? wanted)
    {
        var subject = GetName(service);
        if (metadata.Id != service.AppId)
        {
            yield return CheckResult.Problem(subject, "app id", $"It is the sidecar of '{metadata.Id}'.",
                $"Say where the one of {service.AppId} is with --{service.AppId}-sidecar.");
            yield break;
        }
        yield return CheckApp(subject, service, metadata);
        yield return CheckComponent(subject, metadata, StateStore, "state.");
        yield return CheckComponent(subject, metadata, "pubsub", "pubsub.");
        yield return CheckPolicies(subject, metadata);
        foreach (var result in CheckSubscriptions(subject, service, metadata, wanted)) yield return result;
    }

    /// <summary>Checks that all sidecars run the same version.</summary>
    /// <returns>Null: no sidecar answers.</returns>
    public static CheckResult? EvaluateVersions(IReadOnlyCollection<GetMetadataResponse> all)
    {
        var versions = all.Select(metadata => metadata.RuntimeVersion).Distinct().Order(StringComparer.Ordinal).ToArray();
        return versions switch
        {
            [] => null,
            [var one] => CheckResult.Ok("sidecars", "version", $"Dapr {one}"),
            _ => CheckResult.Warning("sidecars", "version", $"Dapr {string.Join(", ", versions)}",
                "Let all run the same version, the newest of these."),
        };
    }

    private static CheckResult CheckApp(string subject, ServiceEndpoint service, GetMetadataResponse metadata)
    {
        var port = new Uri(service.Address).Port;
        return metadata.AppConnectionProperties is not { Port: > 0 } app
            ? CheckResult.Problem(subject, "app", "It has no app, so it delivers nothing.",
                $"Start it with --app-port {port} --app-protocol grpc, as dapr.yaml says.")
            : app.Port != port && new Uri(service.Address).IsLoopback
                ? CheckResult.Problem(subject, "app", $"It delivers to port {app.Port}; {service.Name} was asked for at {port}.",
                    $"Let appPort in dapr.yaml and --{service.AppId} name the same port.")
                : app.Health is null
                    ? CheckResult.Warning(subject, "app", $"delivers to port {app.Port}, also while {service.Name} is unavailable",
                        "Set enableAppHealthCheck in dapr.yaml, so that events wait meanwhile.")
                    : CheckResult.Ok(subject, "app", $"delivers to port {app.Port} while it is healthy");
    }

    private static CheckResult CheckComponent(string subject, GetMetadataResponse metadata, string name, string kind)
    {
        if (FindComponent(metadata, name, kind) is not { } component)
        {
            return CheckResult.Problem(subject, name, $"It has no {kind}* component of this name.",
                $"See that it is started with --resources-path components, and that components/{name}.yaml has it in its scopes.");
        }
        if (kind == "state." && !component.Capabilities.Contains("ETAG"))
        {
            return CheckResult.Problem(subject, name, $"{component.Type} cannot compare ETags.",
                "Use a state store that can, such as state.redis: every change of the saga is a compare-and-set.");
        }
        if (kind == "state." && !component.Capabilities.Contains("TTL"))
        {
            return CheckResult.Warning(subject, name, $"{component.Type} does not expire documents: closed orders and their records stay for ever.",
                "Use a state store that can, such as state.redis or state.postgresql, or delete what is older than 7 days yourself.");
        }
        return component.Type.EndsWith("in-memory", StringComparison.Ordinal)
            ? CheckResult.Warning(subject, name, $"{component.Type}: lost when it stops", "Start the shop without --embedded to keep the data.")
            : CheckResult.Ok(subject, name, $"{component.Type} {component.Version}");
    }

    private static CheckResult CheckPolicies(string subject, GetMetadataResponse metadata)
    {
        if (metadata.Resiliencies.Count > 0)
        {
            return CheckResult.Ok(subject, "resiliency", $"has loaded {string.Join(", ", metadata.Resiliencies.Select(one => one.Name))}");
        }
        return Version.TryParse(metadata.RuntimeVersion.TrimStart('v').Split('-')[0], out var version) && version >= ReportsPolicies
            ? CheckResult.Problem(subject, "resiliency", "It has loaded no policy: the first failed delivery of an event is the last.",
                "See that it is started with --resources-path components, and that components/resiliency.yaml has it in its scopes.")
            : CheckResult.Warning(subject, "resiliency", $"Dapr {metadata.RuntimeVersion} does not report which policies it has loaded.",
                "Its log does, when it starts; or use Dapr 1.18 or newer.");
    }

    private static IEnumerable<CheckResult> CheckSubscriptions(
        string subject, ServiceEndpoint service, GetMetadataResponse metadata, IReadOnlyList<TopicSubscription>? wanted)
    {
        var has = metadata.Subscriptions.DistinctBy(subscription => subscription.Topic).ToDictionary(subscription => subscription.Topic);
        if (wanted is null)
        {
            yield return CheckResult.Warning(
                subject, "subscriptions", $"{has.Count} topics; the topics that the service wants are unknown.", "Start the service, and run this again.");
        }
        else
        {
            var missing = wanted.Select(subscription => subscription.Topic).Except(has.Keys).ToArray();
            yield return missing.Length > 0
                ? CheckResult.Problem(subject, "subscriptions", $"Not registered: {string.Join(", ", missing)}.",
                    $"See that subscriptionScopes in components/pubsub.yaml allow them to '{service.AppId}'. Then start the sidecar again: it reads them, "
                        + "and the subscriptions of the service, only once.")
                : CheckResult.Ok(subject, "subscriptions", $"{wanted.Count} topics, all that the service wants");
        }

        var letters = metadata.Subscriptions.Select(subscription => subscription.DeadLetterTopic)
            .Where(topic => topic.Length > 0).Distinct().ToArray();
        var without = has.Keys.Except(letters).Where(topic => has[topic].DeadLetterTopic.Length == 0).ToArray();
        var unconsumed = letters.Except(has.Keys).ToArray();
        if (has.Count == 0) yield break;
        yield return without.Length > 0
            ? CheckResult.Problem(subject, "dead-letter topics", $"None for {string.Join(", ", without)}: what cannot be handled there is lost.",
                "Start service and sidecar of the same version again: the service names its dead-letter topic.")
            : unconsumed.Length > 0
                ? CheckResult.Problem(subject, "dead-letter topics", $"Not consumed: {string.Join(", ", unconsumed)}.",
                    "Start the sidecar again: it reads the subscriptions of the service only once.")
                : CheckResult.Ok(subject, "dead-letter topics", $"{string.Join(", ", letters)}, consumed by the service itself");
    }

    private static RegisteredComponents? FindComponent(GetMetadataResponse metadata, string name, string kind) =>
        metadata.RegisteredComponents.FirstOrDefault(
            component => component.Name == name && component.Type.StartsWith(kind, StringComparison.Ordinal));

    private static Metadata CreateHeaders()
    {
        Metadata headers = [];
        if (Environment.GetEnvironmentVariable("DAPR_API_TOKEN") is { Length: > 0 } token) headers.Add("dapr-api-token", token);
        return headers;
    }

    private static string GetName(ServiceEndpoint service) => $"{service.AppId} sidecar";
}
