using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Grpc.Net.Client;
using DaprClient = Dapr.Client.Autogen.Grpc.v1.Dapr.DaprClient;

namespace Shop.Doctor;

/// <summary>What a sidecar says about itself (GetMetadata), held against what its service needs.</summary>
internal static class SidecarExam
{
    /// <summary>From this version on a sidecar names the resiliency policies it has loaded.</summary>
    private static readonly Version NamesPolicies = new(1, 18);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <returns>Null: it did not answer, and <paramref name="found"/> says so.</returns>
    public static async Task<GetMetadataResponse?> AskAsync(
        ReachedService service, string address, List<Diagnosis> found, CancellationToken stop)
    {
        using var channel = GrpcChannel.ForAddress(address);
        try
        {
            Metadata headers = [];
            if (Environment.GetEnvironmentVariable("DAPR_API_TOKEN") is { Length: > 0 } token) headers.Add("dapr-api-token", token);
            return await new DaprClient(channel).GetMetadataAsync(new(), headers, DateTime.UtcNow + Patience, stop);
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.Unauthenticated)
        {
            found.Add(Diagnosis.Problem(NameOf(service), "port", $"{address} asks for a token.",
                "Set DAPR_API_TOKEN to the one that the sidecar was started with."));
        }
        catch (RpcException fault) when (!stop.IsCancellationRequested)
        {
            found.Add(await ServiceExam.MissingAsync(NameOf(service), address, $"--{service.AppId}-sidecar", fault, stop));
        }
        return null;
    }

    /// <param name="wants">What the service wants to hear. Null: it did not say.</param>
    public static IEnumerable<Diagnosis> Of(ReachedService service, GetMetadataResponse said, IReadOnlyList<TopicSubscription>? wants)
    {
        var of = NameOf(service);
        if (said.Id != service.AppId)
        {
            yield return Diagnosis.Problem(of, "app id", $"It is the sidecar of '{said.Id}'.",
                $"Say where the one of {service.AppId} is with --{service.AppId}-sidecar.");
            yield break;
        }
        yield return AppOf(of, service, said);
        yield return ComponentOf(of, said, "statestore", "state.");
        yield return ComponentOf(of, said, "pubsub", "pubsub.");
        yield return PoliciesOf(of, said);
        foreach (var about in SubscriptionsOf(of, said, wants)) yield return about;
    }

    /// <summary>Whether all run the same version.</summary>
    public static Diagnosis? Versions(IReadOnlyCollection<GetMetadataResponse> all)
    {
        var versions = all.Select(said => said.RuntimeVersion).Distinct().Order(StringComparer.Ordinal).ToArray();
        return versions switch
        {
            [] => null,
            [var one] => Diagnosis.Ok("sidecars", "version", $"Dapr {one}"),
            _ => Diagnosis.Warning("sidecars", "version", $"Dapr {string.Join(", ", versions)}",
                "Let all run the same version, the newest of these."),
        };
    }

    private static Diagnosis AppOf(string of, ReachedService service, GetMetadataResponse said)
    {
        var port = new Uri(service.Address).Port;
        return said.AppConnectionProperties is not { Port: > 0 } app
            ? Diagnosis.Problem(of, "app", "It knows of no app, so it delivers nothing.",
                $"Start it with --app-port {port} --app-protocol grpc, as dapr.yaml says.")
            : app.Port != port && new Uri(service.Address).IsLoopback
                ? Diagnosis.Problem(of, "app", $"It delivers to port {app.Port}; {service.Name} was asked for at {port}.",
                    $"Let appPort in dapr.yaml and --{service.AppId} name the same port.")
                : app.Health is null
                    ? Diagnosis.Warning(of, "app", $"delivers to port {app.Port}, also while {service.Name} is away",
                        "Set enableAppHealthCheck in dapr.yaml, so that events wait while it is.")
                    : Diagnosis.Ok(of, "app", $"delivers to port {app.Port} while it is healthy");
    }

    private static Diagnosis ComponentOf(string of, GetMetadataResponse said, string name, string kind)
    {
        var component = said.RegisteredComponents.FirstOrDefault(
            component => component.Name == name && component.Type.StartsWith(kind, StringComparison.Ordinal));
        if (component is null)
        {
            return Diagnosis.Problem(of, name, $"It has no {kind}* component of this name.",
                $"See that it is started with --resources-path components, and that components/{name}.yaml has it in its scopes.");
        }
        if (kind == "state." && !component.Capabilities.Contains("ETAG"))
        {
            return Diagnosis.Problem(of, name, $"{component.Type} cannot compare ETags.",
                "Use a state store that can, such as state.redis: every change of the saga is a compare-and-set.");
        }
        return component.Type.EndsWith("in-memory", StringComparison.Ordinal)
            ? Diagnosis.Warning(of, name, $"{component.Type}: gone when it ends", "Start the shop without --embedded where it is to be kept.")
            : Diagnosis.Ok(of, name, $"{component.Type} {component.Version}");
    }

    private static Diagnosis PoliciesOf(string of, GetMetadataResponse said)
    {
        if (said.Resiliencies.Count > 0)
        {
            return Diagnosis.Ok(of, "resiliency", $"has loaded {string.Join(", ", said.Resiliencies.Select(one => one.Name))}");
        }
        return Version.TryParse(said.RuntimeVersion.TrimStart('v').Split('-')[0], out var version) && version >= NamesPolicies
            ? Diagnosis.Problem(of, "resiliency", "It has loaded no policy: the first failed delivery of an event is the last.",
                "See that it is started with --resources-path components, and that components/resiliency.yaml has it in its scopes.")
            : Diagnosis.Warning(of, "resiliency", $"Dapr {said.RuntimeVersion} does not say which policies it has loaded.",
                "Its log does, when it starts; or use Dapr 1.18 or newer.");
    }

    private static IEnumerable<Diagnosis> SubscriptionsOf(string of, GetMetadataResponse said, IReadOnlyList<TopicSubscription>? wants)
    {
        var has = said.Subscriptions.ToDictionary(subscription => subscription.Topic);
        if (wants is null)
        {
            yield return Diagnosis.Warning(
                of, "subscriptions", $"{has.Count} topics; the service does not say which it wants.", "Start the service, and ask again.");
        }
        else
        {
            var missing = wants.Select(subscription => subscription.Topic).Except(has.Keys).ToArray();
            yield return missing.Length > 0
                ? Diagnosis.Problem(of, "subscriptions", $"Not registered: {string.Join(", ", missing)}.",
                    "Start the sidecar again: it asks the service only once.")
                : Diagnosis.Ok(of, "subscriptions", $"{wants.Count} topics, all that the service wants");
        }

        var letters = said.Subscriptions.Select(subscription => subscription.DeadLetterTopic)
            .Where(topic => topic.Length > 0).Distinct().ToArray();
        var without = has.Keys.Except(letters).Where(topic => has[topic].DeadLetterTopic.Length == 0).ToArray();
        var unheard = letters.Except(has.Keys).ToArray();
        if (has.Count == 0) yield break;
        yield return without.Length > 0
            ? Diagnosis.Problem(of, "dead-letter topics", $"None for {string.Join(", ", without)}: what cannot be handled there is lost.",
                "Start service and sidecar of the same version again: the service names its dead-letter topic.")
            : unheard.Length > 0
                ? Diagnosis.Problem(of, "dead-letter topics", $"Nobody hears {string.Join(", ", unheard)}.",
                    "Start the sidecar again: it asks the service only once.")
                : Diagnosis.Ok(of, "dead-letter topics", $"{string.Join(", ", letters)}, heard by the service itself");
    }

    private static string NameOf(ReachedService service) => $"{service.AppId} sidecar";
}
