using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>What Prometheus scrapes agrees with dapr.yaml, with the manifests and with the alerts.</summary>
public sealed class ScrapeTests
{
    public static TheoryData<string> Overlays => Overlay.Names;

    /// <summary>The alerts go by the label job.</summary>
    [Theory]
    [MemberData(nameof(Overlays))]
    public void On_Kubernetes_each_service_is_one_target_and_its_job_is_its_name(string overlay)
    {
        var applied = Overlay.Get(overlay);
        var job = Assert.Single(Jobs(Repository.Read("deploy/prometheus-kubernetes.yaml")));
        var discovery = Assert.Single(job["kubernetes_sd_configs"]!.AsArray())!;
        Assert.Equal("pod", (string?)discovery["role"]);
        Assert.Equal(applied.Of<V1Namespace>().Single().Metadata.Name, (string?)Assert.Single(discovery["namespaces"]!["names"]!.AsArray()));

        var targets = applied.Pods.SelectMany(pod => Discover(pod.Key, pod.Value))
            .Where(target => Relabel(job["relabel_configs"]!.AsArray(), target)).ToDictionary(target => target["job"]);
        Assert.Equal(applied.Apps.Keys.Order(), targets.Keys.Order());
        Assert.All(applied.Apps, app =>
        {
            Assert.Equal(app.Value.Spec.Template.Metadata.Annotations["prometheus.io/port"], targets[app.Key]["__address__"]);
            Assert.Equal($"a pod of {app.Key}", targets[app.Key]["instance"]);
        });
        var watched = Regex.Match(Repository.Read("deploy/prometheus-rules.yaml"), @"up\{job=~""(.*?)""\}").Groups[1].Value.Split('|');
        Assert.Subset(targets.Keys.ToHashSet(), watched.ToHashSet());
    }

    [Fact]
    public void A_pod_that_has_ended_is_no_target()
    {
        var (name, pod) = Overlay.Get("kind").Pods.First(pod => pod.Key == "orders");
        var rules = Assert.Single(Jobs(Repository.Read("deploy/prometheus-kubernetes.yaml")))["relabel_configs"]!.AsArray();
        Assert.Contains(Discover(name, pod), target => Relabel(rules, target));
        Assert.DoesNotContain(Discover(name, pod, "Failed"), target => Relabel(rules, target));
    }

    [Fact]
    public void Each_app_of_the_run_file_is_a_job_with_its_port()
    {
        var apps = Yaml.Read("dapr.yaml").Single()["apps"]!.AsArray();
        var jobs = Jobs(Repository.Read("deploy/prometheus.yaml"));
        Assert.Equal(
            apps.Select(app => ((string)app!["appID"]!, $"localhost:{app["env"]!["HTTP_PORT"]}")),
            jobs.Select(job => ((string)job["job_name"]!, (string)job["static_configs"]![0]!["targets"]![0]!)));
    }

    /// <summary>They are comments, since a broker that is not there would be a target that is down.</summary>
    [Fact]
    public void Without_their_comment_signs_the_jobs_of_the_brokers_are_jobs()
    {
        var jobs = Jobs(Regex.Replace(Repository.Read("deploy/prometheus.yaml"), "^  # (?=- |  )", "  ", RegexOptions.Multiline))
            .ToDictionary(job => (string)job["job_name"]!);
        Assert.All((string[])["rabbitmq", "redis", "kafka"], broker => Assert.Contains(broker, jobs.Keys));
        Assert.All(jobs.Values, job => Assert.Matches(@"^localhost:\d+$", (string?)job["static_configs"]![0]!["targets"]![0]));
        Assert.Equal("/metrics/detailed", (string?)jobs["rabbitmq"]["metrics_path"]);
        var reference = Repository.Read("docs/reference/metrics.md");
        Assert.All(jobs["rabbitmq"]["params"]!["family"]!.AsArray(), family => Assert.Contains($"`{family}`", reference));
    }

    private static JsonObject[] Jobs(string configuration) =>
        [.. Yaml.Parse(configuration).Single()["scrape_configs"]!.AsArray().Select(job => job!.AsObject())];

    /// <summary>A pod as Prometheus discovers it: each port of each container is a target. The address is the port alone.</summary>
    private static IEnumerable<Dictionary<string, string>> Discover(string name, V1PodTemplateSpec pod, string phase = "Running") =>
        pod.Spec.Containers.SelectMany(container => container.Ports, (container, port) => new Dictionary<string, string>(
        [
            new("__address__", $"{port.ContainerPort}"),
            new("__meta_kubernetes_pod_name", $"a pod of {name}"),
            new("__meta_kubernetes_pod_phase", phase),
            new("__meta_kubernetes_pod_container_name", container.Name),
            new("__meta_kubernetes_pod_container_port_name", port.Name),
            .. Prefixed("label", pod.Metadata.Labels), .. Prefixed("annotation", pod.Metadata.Annotations ?? new Dictionary<string, string>()),
        ]));

    private static IEnumerable<KeyValuePair<string, string>> Prefixed(string kind, IDictionary<string, string> values) =>
        values.Select(value => KeyValuePair.Create($"__meta_kubernetes_pod_{kind}_{Regex.Replace(value.Key, @"\W", "_")}", value.Value));

    /// <summary>Changes the labels of a target as Prometheus does. Other actions than keep, drop and replace are not used here.</summary>
    /// <returns>False: it is no target.</returns>
    private static bool Relabel(JsonArray rules, Dictionary<string, string> labels)
    {
        foreach (var rule in rules)
        {
            var value = string.Join(';', rule!["source_labels"]!.AsArray().Select(label => labels.GetValueOrDefault((string)label!, "")));
            var matches = Regex.IsMatch(value, $"^(?:{(string?)rule["regex"] ?? ".*"})$");
            switch ((string?)rule["action"] ?? "replace")
            {
                case "keep" when !matches:
                case "drop" when matches:
                    return false;
                case "keep" or "drop":
                    break;
                case "replace" when rule["regex"] is null && rule["replacement"] is null:
                    labels[(string)rule["target_label"]!] = value;
                    break;
                default:
                    throw new InvalidOperationException($"{rule} is not understood here.");
            }
        }
        return true;
    }
}
