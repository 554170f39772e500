using System.Text.RegularExpressions;

namespace Saga.Tests.Deploy;

/// <summary>What docs/kubernetes.md installs beside the shop.</summary>
public sealed class ChartTests
{
    private static readonly string Page = Repository.Read("docs/kubernetes.md");

    [Fact]
    public void Every_chart_has_a_version_and_comes_from_a_repository_that_was_added()
    {
        var added = Matches(@"^helm repo add (\w+) https://\S+$").Select(match => match.Groups[1].Value);
        var charts = Matches(@"^helm upgrade --install \w+ (?<from>\w+)/(?<name>\w+) --version (?<version>[\d.]+) ");
        Assert.Equal(Matches("^helm (install|upgrade)").Length, charts.Length);
        Assert.Equal(charts.Select(chart => chart.Groups["from"].Value), added);

        var versions = charts.ToDictionary(chart => chart.Groups["name"].Value, chart => Version.Parse(chart.Groups["version"].Value));
        Assert.Equal(["dapr", "keda"], versions.Keys);
        // The Dapr of the other way and of the workflow.
        var dapr = Regex.Matches(Page + Repository.Read(".github/workflows/ci.yml"), @"(?:--runtime-version |DAPR_RUNTIME_VERSION: )([\d.]+)");
        Assert.All(dapr, match => Assert.Equal(versions["dapr"], Version.Parse(match.Groups[1].Value)));
        Assert.NotEmpty(dapr);
        // The first with fallback.behavior.
        Assert.Contains(Overlay.Get("production").Of<ScaledObject>(), scaled => scaled.Spec.Fallback?.Behavior is not null);
        Assert.True(versions["keda"] >= new Version(2, 17));
    }

    private static Match[] Matches(string pattern) => Regex.Matches(Page, pattern, RegexOptions.Multiline).ToArray();
}
