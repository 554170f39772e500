using System.Globalization;
using System.Text.RegularExpressions;
using k8s.Models;
using Microsoft.Extensions.Configuration;

namespace Saga.Tests.Deploy;

/// <summary>The pods agree with the code, with dapr.yaml and with docs/kubernetes.md.</summary>
public sealed class PodTests
{
    private const string Prefix = "dapr.io/";

    private static readonly string Sources = string.Concat(new[] { "saga", "services" }
        .SelectMany(folder => Directory.EnumerateFiles(Repository.PathOf(folder), "*.cs", SearchOption.AllDirectories)).Select(File.ReadAllText));

    public static TheoryData<string> Overlays => Overlay.Names;

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Apps_ports_and_health_checks_are_those_of_dapr_yaml_and_of_the_projects(string overlay)
    {
        var run = Yaml.Read("dapr.yaml").Single();
        var common = run["common"]!;
        var apps = Overlay.Get(overlay).Apps;
        Assert.Equal(run["apps"]!.AsArray().Select(app => (string)app!["appID"]!).Order(), apps.Keys.Order());
        foreach (var expected in run["apps"]!.AsArray())
        {
            var (id, grpc, http) = ((string)expected!["appID"]!, $"{expected["appPort"]}", (string)expected["env"]!["HTTP_PORT"]!);
            var template = apps[id].Spec.Template;
            var container = Assert.Single(template.Spec.Containers);
            Assert.Equal([("grpc", grpc), ("http", http)], container.Ports.Select(port => (port.Name, $"{port.ContainerPort}")));
            Assert.Equal((grpc, http), (Variable(container, "APP_PORT").Value, Variable(container, "HTTP_PORT").Value));
            Assert.Equal(http, template.Metadata.Annotations["prometheus.io/port"]);

            var name = CultureInfo.InvariantCulture.TextInfo.ToTitleCase(id);
            var project = Repository.Read($"services/{name}/{name}.csproj");
            Assert.Contains($"<AppPort>{grpc}</AppPort>", project);
            Assert.Contains($"<HttpPort>{http}</HttpPort>", project);

            Assert.Equal(grpc, Annotation(template, "app-port"));
            Assert.Equal((string?)common["appProtocol"], Annotation(template, "app-protocol"));
            Assert.Equal($"{common["enableAppHealthCheck"]}", Annotation(template, "enable-app-health-check"));
            Assert.Equal($"{common["appHealthProbeInterval"]}", Annotation(template, "app-health-probe-interval"));
            Assert.Equal($"{common["appHealthProbeTimeout"]}", Annotation(template, "app-health-probe-timeout"));
            Assert.Equal($"{common["appHealthThreshold"]}", Annotation(template, "app-health-threshold"));
        }
    }

    /// <summary>Dapr ignores an annotation that it does not know.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void Annotations_are_those_of_Dapr(string overlay)
    {
        string[] known =
        [
            "enabled", "app-id", "app-port", "app-protocol", "config", "enable-app-health-check", "app-health-probe-interval",
            "app-health-probe-timeout", "app-health-threshold", "max-body-size", "api-token-secret", "app-token-secret",
            "block-shutdown-duration", "graceful-shutdown-seconds", "placement-host-address", "scheduler-host-address",
            "disable-builtin-k8s-secret-store", "sidecar-cpu-request", "sidecar-memory-request", "sidecar-memory-limit", "env",
            "sidecar-seccomp-profile-type",
        ];
        var applied = Overlay.Get(overlay);
        var config = Assert.Single(applied.Of<Configuration>()).Metadata.Name;
        Assert.All(applied.Apps.Values.Select(app => app.Spec.Template), template =>
        {
            var names = template.Metadata.Annotations.Keys.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal));
            Assert.Equal(known.Order(), names.Select(name => name[Prefix.Length..]).Order());
            Assert.Equal(config, Annotation(template, "config"));
        });
    }

    /// <summary>The level 'restricted' of Kubernetes' pod security standards, and a root file system that cannot be written.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void Pods_are_restricted(string overlay) => Assert.All(Overlay.Get(overlay).Pods.Values.Select(pod => pod.Spec), pod =>
    {
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.NotEqual(0, pod.SecurityContext.RunAsUser);
        Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
        Assert.False(pod.AutomountServiceAccountToken);
        Assert.Null(pod.HostNetwork);
        Assert.All(pod.Containers, container =>
        {
            Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
            Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
            Assert.Null(container.SecurityContext.Privileged);
            Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
            Assert.Null(container.SecurityContext.Capabilities.Add);
            Assert.Equal(["cpu", "memory"], container.Resources.Requests.Keys.Order());
            Assert.Contains("memory", container.Resources.Limits.Keys);
        });
    });

    /// <summary>An app may take preStop and its shutdown timeout; the sidecar does not end before by its own clock, and both end before they are killed.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void A_pod_has_the_time_to_finish_what_is_in_progress(string overlay)
    {
        var drain = OrdersAlone.Options.DrainDelay + Drain.FinishTimeout;
        Assert.All(Overlay.Get(overlay).Apps.Values.Select(app => app.Spec.Template), template =>
        {
            var app = TimeSpan.FromSeconds(template.Spec.Containers.Single().Lifecycle.PreStop.Sleep.Seconds) + drain;
            var block = TimeSpan.FromSeconds(int.Parse(Annotation(template, "block-shutdown-duration").TrimEnd('s'), null));
            var sidecar = block + TimeSpan.FromSeconds(int.Parse(Annotation(template, "graceful-shutdown-seconds"), null));
            Assert.InRange(block, app, app * 1.5);
            Assert.InRange(TimeSpan.FromSeconds(template.Spec.TerminationGracePeriodSeconds!.Value), sidecar, sidecar * 1.5);
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Probes_ask_the_health_endpoints_and_wait_for_their_answer(string overlay)
    {
        var endpoints = Regex.Matches(Sources, @"MapHealthChecks\(""(.*?)""").Select(match => match.Groups[1].Value).ToArray();
        var seconds = Regex.Match(Repository.Read("saga/Hosting/Readiness.cs"), @"Timeout = TimeSpan\.FromSeconds\((\d+)\)").Groups[1].Value;
        Assert.All(Overlay.Get(overlay).Apps.Values.Select(app => app.Spec.Template.Spec.Containers.Single()), container =>
        {
            V1Probe[] probes = [container.StartupProbe, container.LivenessProbe, container.ReadinessProbe];
            Assert.Equal(["/healthz/live", "/healthz/live", "/healthz/ready"], probes.Select(probe => probe.HttpGet.Path));
            Assert.All(probes, probe => Assert.Contains(probe.HttpGet.Path, endpoints));
            Assert.All(probes, probe => Assert.Equal("http", probe.HttpGet.Port.Value));
            Assert.True(container.ReadinessProbe.TimeoutSeconds > int.Parse(seconds, null));
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Each_service_has_an_account_a_disruption_budget_and_pods_that_are_spread(string overlay)
    {
        const string Label = "app.kubernetes.io/name";
        var applied = Overlay.Get(overlay);
        Assert.All(applied.Apps, app =>
        {
            var (name, spec) = (app.Key, app.Value.Spec);
            var labels = spec.Template.Metadata.Labels;
            Assert.Equal((name, name), (app.Value.Metadata.Name, labels[Label]));
            Assert.Equal([(Label, name)], spec.Selector.MatchLabels.Select(label => (label.Key, label.Value)));

            Assert.Equal(name, spec.Template.Spec.ServiceAccountName);
            Assert.False(Assert.Single(applied.Of<V1ServiceAccount>(), account => account.Metadata.Name == name).AutomountServiceAccountToken);
            var budget = Assert.Single(applied.Of<V1PodDisruptionBudget>(), one => one.Spec.Selector.MatchLabels[Label] == name);
            Assert.Equal("1", budget.Spec.MaxUnavailable.Value);

            var spread = spec.Template.Spec.TopologySpreadConstraints;
            Assert.Equal(["kubernetes.io/hostname", "topology.kubernetes.io/zone"], spread.Select(one => one.TopologyKey));
            Assert.All(spread, one => Assert.All(one.LabelSelector.MatchLabels, label => Assert.Equal(label.Value, labels[label.Key])));
            Assert.All(spread, one => Assert.Contains(Label, one.MatchLabelKeys));
        });
    }

    /// <summary>The services would not start with a setting that these refuse.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void Settings_are_those_of_the_code(string overlay)
    {
        string[] ofDotnet = ["ASPNETCORE_FORWARDEDHEADERS_ENABLED", "Logging__LogLevel__Microsoft.AspNetCore.DataProtection"];
        var applied = Overlay.Get(overlay);
        var traces = Repository.Read("docs/reference/traces.md");
        Assert.All(applied.Apps.Values, app =>
        {
            var environment = applied.Environment(app);
            Assert.All(environment.Keys.Except(ofDotnet), name => Assert.True(
                IsOfSection(name) || Sources.Contains($"\"{name.Replace("__", ":")}\"") || traces.Contains($"`{name}`"), name));

            var configuration = new ConfigurationBuilder().AddInMemoryCollection(
                environment.Select(one => KeyValuePair.Create(one.Key.Replace("__", ":"), (string?)one.Value))).Build();
            var settings = new SettingReader(configuration);
            SagaOptions.Read(settings);
            AuthOptions.Read(settings, isReachable: true);
            foreach (var variable in Exporters.EndpointVariables) settings.Url(variable, "http://localhost:4317");
            settings.ThrowIfInvalid();
            Assert.Null(Exporters.OfTraces(configuration).Problem);
            ShopConsole.Settings.From(configuration);
        });

        // SagaOptions and AuthOptions refuse what they do not know.
        static bool IsOfSection(string name) => name.Split("__")[0] is "Saga" or "Auth";
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Secrets_are_those_that_the_documentation_creates(string overlay)
    {
        const string Command = @"create secret (?:generic|tls) (?<name>\S+)( --(from-literal=)?(?<key>\w+)=(""\$\(.*?\)""|\S+))+";
        var created = Regex.Matches(Repository.Read("docs/kubernetes.md"), Command).SelectMany(
            secret => secret.Groups["key"].Captures, (secret, key) => $"{secret.Groups["name"].Value}/{key.Value}");

        var applied = Overlay.Get(overlay);
        var ofPods = applied.Apps.Values.SelectMany(app => app.Spec.Template.Spec.Containers.Single().Env)
            .Select(variable => variable.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>().Select(secret => $"{secret.Name}/{secret.Key}");
        var ofComponents = applied.Of<Component>().SelectMany(component => component.Spec.Metadata)
            .Select(setting => setting.SecretKeyRef).OfType<SecretKeyRef>().Select(secret => $"{secret.Name}/{secret.Key}");
        var ofScalers = applied.Of<TriggerAuthentication>().SelectMany(one => one.Spec.SecretTargetRef!)
            .Select(secret => $"{secret.Name}/{secret.Key}");
        var ofIngresses = applied.Of<V1Ingress>().SelectMany(ingress => ingress.Spec.Tls).Select(tls => $"{tls.SecretName}/cert");
        Assert.Subset(created.ToHashSet(), ofPods.Concat(ofComponents).Concat(ofScalers).Concat(ofIngresses).ToHashSet());
    }

    /// <summary>The sidecar reads the key 'token' of the secrets that its annotations name.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void A_service_and_its_sidecar_share_their_tokens(string overlay) => Assert.All(Overlay.Get(overlay).Apps.Values, app =>
    {
        foreach (var (annotation, name) in ((string, string)[])[("api-token-secret", "DAPR_API_TOKEN"), ("app-token-secret", "APP_API_TOKEN")])
        {
            var secret = Variable(app.Spec.Template.Spec.Containers.Single(), name).ValueFrom.SecretKeyRef;
            Assert.Equal((Annotation(app.Spec.Template, annotation), "token"), (secret.Name, secret.Key));
        }
    });

    private static string Annotation(V1PodTemplateSpec template, string name) => template.Metadata.Annotations[$"{Prefix}{name}"];

    private static V1EnvVar Variable(V1Container container, string name) => container.Env.Single(variable => variable.Name == name);
}
