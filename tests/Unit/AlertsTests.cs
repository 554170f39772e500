using System.Runtime.CompilerServices;
using YamlDotNet.RepresentationModel;

namespace Saga.Tests;

/// <summary>The alerts have their tests, which promtool runs, and their documentation.</summary>
public sealed class AlertsTests
{
    private static readonly YamlMappingNode[] Alerts =
        [.. Items(Read("deploy/prometheus-rules.yaml"), "groups").SelectMany(group => Items(group, "rules"))];

    [Fact]
    public void Every_alert_fires_in_one_test_and_does_not_in_another()
    {
        var tests = Items(Read("deploy/prometheus-rules.test.yaml"), "tests").SelectMany(test => Items(test, "alert_rule_test")).ToArray();
        Assert.NotEmpty(Alerts);
        foreach (var name in Alerts.Select(alert => alert["alert"].ToString()))
        {
            var its = tests.Where(test => test["alertname"].ToString() == name).ToArray();
            Assert.True(its.Any(Fires), $"{name} fires in no test.");
            Assert.True(its.Any(test => !Fires(test)), $"{name} fires in each of its tests.");
        }
        Assert.All(tests, test => Assert.Contains(Alerts, alert => alert["alert"].Equals(test["alertname"])));

        static bool Fires(YamlMappingNode test) => test.Children.ContainsKey("exp_alerts");
    }

    [Fact]
    public void Every_alert_says_how_bad_it_is_and_what_to_do_and_is_documented()
    {
        var reference = Text("docs/reference/metrics.md");
        Assert.All(Alerts, alert =>
        {
            Assert.Contains(alert["labels"]["severity"].ToString(), (string[])["warning", "critical"]);
            Assert.All((string[])["summary", "description"], part => Assert.EndsWith(".", alert["annotations"][part].ToString()));
            Assert.Contains($"`{alert["alert"]}`", reference);
        });
    }

    private static IEnumerable<YamlMappingNode> Items(YamlNode node, string name) => ((YamlSequenceNode)node[name]).Cast<YamlMappingNode>();

    private static YamlNode Read(string file)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Text(file)));
        return stream.Documents.Single().RootNode;
    }

    private static string Text(string file, [CallerFilePath] string here = "") =>
        File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../..", file));
}
