using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>Who can reach what.</summary>
public sealed class NetworkTests
{
    private static readonly string[] Open = ["console", "orders"];

    public static TheoryData<string> Overlays => Overlay.Names;

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Only_Orders_and_the_console_have_a_service_and_only_for_HTTP(string overlay)
    {
        var applied = Overlay.Get(overlay);
        Assert.All(applied.Of<V1Service>(), service => Assert.Null(service.Spec.Type));
        var services = applied.Of<V1Service>().Where(service => applied.Apps.ContainsKey(service.Metadata.Name)).ToArray();
        Assert.Equal(Open, services.Select(service => service.Metadata.Name).Order());
        Assert.All(services, service => Assert.Equal("http", Assert.Single(service.Spec.Ports).TargetPort.Value));
        Assert.All(services, service => Assert.Equal(service.Metadata.Name, service.Spec.Selector["app.kubernetes.io/name"]));
    }

    /// <summary>From outside of the namespace: an ingress controller HTTP of Orders and of the console, and Prometheus metrics.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void All_traffic_is_denied_that_is_not_allowed(string overlay)
    {
        var policies = Overlay.Get(overlay).Of<V1NetworkPolicy>().ToArray();
        var closed = Assert.Single(policies, policy => policy.Metadata.Name == "deny-all").Spec;
        Assert.True(closed is { Ingress: null, Egress: null, PodSelector: { MatchLabels: null, MatchExpressions: null } });
        Assert.Equal(["Ingress", "Egress"], closed.PolicyTypes);

        var fromOutside = new List<string>();
        foreach (var (policy, rule) in policies.SelectMany(policy => (policy.Spec.Ingress ?? []).Select(rule => (policy.Spec, rule))))
        {
            Assert.NotEmpty(rule.FromProperty);
            foreach (var from in rule.FromProperty.Where(from => from.PodSelector is null))
            {
                var label = Assert.Single(from.NamespaceSelector.MatchLabels);
                Assert.Equal("true", label.Value);
                var pods = policy.PodSelector.MatchExpressions is [{ Key: "app.kubernetes.io/name", OperatorProperty: "In" } names]
                    ? string.Join(' ', names.Values.Order()) : "all";
                fromOutside.Add($"{label.Key}: {pods}: {string.Join(' ', rule.Ports.Select(port => port.Port.Value))}");
            }
        }
        Assert.Equal(["daprsaga/ingress: console orders: http", "daprsaga/metrics: all: http 9090"], fromOutside.Order());
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void The_ingress_has_the_API_and_the_page_and_neither_metrics_nor_health(string overlay)
    {
        var page = Directory.EnumerateFiles(Repository.PathOf("services/Console/page")).Select(file => $"/{Path.GetFileName(file)}");
        var expected = new Dictionary<string, string[]>
        {
            ["orders"] = ["/api/orders", "/openapi/v1.json"],
            ["console"] = ["/api/console", "/", .. page],
        };
        var ingresses = Overlay.Get(overlay).Of<V1Ingress>().ToArray();
        Assert.Equal(overlay == "kind" ? [] : Open, ingresses.Select(ingress => ingress.Metadata.Name).Order());
        foreach (var ingress in ingresses)
        {
            var rule = Assert.Single(ingress.Spec.Rules);
            Assert.Contains($"`ingressClassName: {ingress.Spec.IngressClassName}`", Repository.Read("docs/kubernetes.md"));
            Assert.Equal([rule.Host], Assert.Single(ingress.Spec.Tls).Hosts);
            Assert.Equal(expected[ingress.Metadata.Name].Order(), rule.Http.Paths.Select(path => path.Path).Order());
            Assert.StartsWith("/api/", Assert.Single(rule.Http.Paths, path => path.PathType != "Exact").Path);
            var backends = rule.Http.Paths.Select(path => path.Backend.Service);
            Assert.All(backends, backend => Assert.Equal((ingress.Metadata.Name, "http"), (backend.Name, backend.Port.Name)));
        }
    }

    /// <summary>Each address that the services and the sidecars are given is one that the network policies let them reach.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void The_network_lets_pass_what_is_configured(string overlay)
    {
        var applied = Overlay.Get(overlay);
        var settings = Assert.Single(applied.Of<V1ConfigMap>()).Data;
        var tracing = applied.Of<Configuration>().Single().Spec.Tracing!;
        var collector = tracing.Zipkin is { } zipkin ? new Uri(zipkin.EndpointAddress).Authority : tracing.Otel!.EndpointAddress;
        var endpoints = settings.Where(setting => setting.Key.EndsWith("_ENDPOINT", StringComparison.Ordinal));
        Assert.Equal([collector], endpoints.Select(setting => new Uri(setting.Value).Authority));
        var stores = applied.Of<Component>().SelectMany(component => component.Spec.Metadata).Where(setting => setting.Name == "redisHost");
        var issuers = settings.Where(setting => setting.Key == "Auth__Authority").Select(setting => new Uri(setting.Value));

        var egress = applied.Of<V1NetworkPolicy>().SelectMany(policy => policy.Spec.Egress ?? []).ToArray();
        string[] addresses = [collector, .. stores.Select(setting => setting.Value!), .. issuers.Select(issuer => $"{issuer.Host}:{issuer.Port}")];
        Assert.All(addresses, address =>
        {
            var (host, port) = (address.Split(':')[0], address.Split(':')[1]);
            Assert.Contains(egress, rule => rule.Ports?.Any(one => one.Port.Value == port) == true && Reaches(rule, host));
        });

        // In the cluster a host is a service, and perhaps a namespace; outside any address will do.
        static bool Reaches(V1NetworkPolicyEgressRule rule, string host) => host.EndsWith(".example.com", StringComparison.Ordinal)
            ? rule.To is null
            : rule.To?.Any(to => host.Split('.') is [_, var space]
                ? to.NamespaceSelector?.MatchLabels["kubernetes.io/metadata.name"] == space
                : to.PodSelector?.MatchLabels.Contains(KeyValuePair.Create("app.kubernetes.io/name", host)) == true) == true;
    }
}
