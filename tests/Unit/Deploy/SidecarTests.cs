using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Google.Protobuf.Reflection;
using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>Dapr's resources agree with components/, with deploy/engines and with the code.</summary>
public sealed class SidecarTests
{
    private static readonly string[] Participants = ["stock", "payments", "coupons"];

    public static TheoryData<string> Overlays => Overlay.Names;

    /// <summary>One of the type of components/ is the same as there, but for its connection; one of another type the same as in deploy/engines.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void Components_differ_from_those_of_dapr_run_in_addresses_only(string overlay)
    {
        string[] ofConnection = ["redisHost", "redisPassword", "redisUsername", "enableTLS", "connectionString"];
        var applied = Overlay.Get(overlay);
        Assert.Equal(["pubsub", "statestore"], applied.Of<Component>().Select(component => component.Metadata.Name).Order());
        foreach (var after in applied.Of<Component>())
        {
            string[] folders = ["components", .. Directory.EnumerateDirectories(Repository.PathOf("deploy/engines")).Select(Repository.GetName).Order()];
            var before = folders.Select(folder => Manifest.Parse<Component>(Yaml.Read($"{folder}/{after.Metadata.Name}.yaml").Single()))
                .First(one => one.Spec.Type == after.Spec.Type);
            Assert.Equal(before.Spec.Version, after.Spec.Version);
            Assert.Equal(before.Scopes, after.Scopes);
            Assert.Equal(applied.Apps.Keys.Where(app => app != "console").Order(), after.Scopes.Order());
            Assert.Equal(Kept(before), Kept(after));
            if (after.Spec.Metadata.Any(setting => setting.SecretKeyRef is not null)) Assert.Equal("kubernetes", after.Auth?.SecretStore);
        }

        IEnumerable<ComponentSetting> Kept(Component component) =>
            component.Spec.Metadata.Where(setting => !ofConnection.Contains(setting.Name)).OrderBy(setting => setting.Name, StringComparer.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Retries_and_timeouts_are_those_of_dapr_run(string overlay)
    {
        var policies = Overlay.Get(overlay).Nodes.Single(node => (string?)node["kind"] == "Resiliency").DeepClone().AsObject();
        policies["metadata"]!.AsObject().Remove("namespace");
        Assert.True(JsonNode.DeepEquals(Yaml.Read("components/resiliency.yaml").Single(), policies));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void The_sidecars_allow_what_the_services_call_and_nothing_else(string overlay)
    {
        var rules = new Dictionary<string, ApiRule>
        {
            ["GetState"] = new("state", "v1", "grpc"),
            ["GetBulkState"] = new("state", "v1", "grpc"),
            ["SaveState"] = new("state", "v1", "grpc"),
            ["DeleteState"] = new("state", "v1", "grpc"),
            ["PublishEvent"] = new("publish", "v1", "grpc"),
            ["BulkPublishEvent"] = new("publish", "v1", "grpc"),
            ["GetMetadata"] = new("metadata", "v1", "grpc"),
            ["CheckOutboundHealth"] = new("healthz", "v1.0", "http"),
        };
        var called = Directory.EnumerateFiles(Repository.PathOf("saga"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"\b(?:[Dd]apr|api)\.(\w+)Async\(")).Select(call => call.Groups[1].Value);
        Assert.Equal(rules.Keys.Order(), called.Distinct().Order());
        var allowed = Overlay.Get(overlay).Of<Configuration>().Single().Spec.Api!.Allowed!;
        Assert.Equal(rules.Values.Distinct().OrderBy(rule => rule.Name), allowed.OrderBy(rule => rule.Name));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void The_sidecars_let_apps_call_what_their_roles_allow(string overlay)
    {
        var applied = Overlay.Get(overlay);
        var list = applied.Of<Configuration>().Single().Spec.AccessControl!;
        var space = applied.Of<V1Namespace>().Single().Metadata.Name;
        Assert.Equal("deny", list.DefaultAction);
        Assert.Equal(applied.Apps.Keys.Order(), list.Policies!.Select(policy => policy.AppId).Order());
        Assert.All(list.Policies!, policy => Assert.Equal((space, list.TrustDomain), (policy.Namespace, policy.TrustDomain)));
        foreach (var policy in list.Policies!.Where(policy => policy.AppId != "console"))
        {
            Assert.Equal("deny", policy.DefaultAction);
            Assert.All(policy.Operations!, operation => Assert.Equal("allow", operation.Action));
            Assert.Equal(Allowed[policy.AppId].Order(), policy.Operations!.Select(operation => operation.Name).Order());
        }

        // Its users may call everything that their tokens allow.
        var console = list.Policies!.Single(policy => policy.AppId == "console");
        Assert.Equal(("allow", null), (console.DefaultAction, console.Operations));
    }

    /// <summary>By app id: the methods whose roles name it.</summary>
    private static ILookup<string, string> Allowed => new[]
        {
            typeof(Orders.OrderGrpcService), typeof(Stock.StockService), typeof(Payments.PaymentService), typeof(Coupons.CouponService),
            typeof(ParticipantGrpcService), typeof(DeadLetterService),
        }
        .SelectMany(service => service.GetMethods(), (service, method) => (
            Name: $"/{((ServiceDescriptor)service.BaseType!.DeclaringType!.GetProperty("Descriptor")!.GetValue(null)!).FullName}/{method.Name}",
            Roles: method.GetCustomAttributes(typeof(AllowAttribute), false).Cast<AllowAttribute>().SelectMany(allow => allow.Roles!.Split(','))))
        .SelectMany(method => method.Roles.SelectMany(ToApps), (method, app) => (App: app, method.Name)).ToLookup(one => one.App, one => one.Name);

    private static string[] ToApps(string role) => role == Role.AnyApp ? Participants
        : role.StartsWith(Role.App, StringComparison.Ordinal) ? [role[Role.App.Length..]] : [];
}
