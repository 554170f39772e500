using System.Text.RegularExpressions;

namespace Saga.Tests.Deploy;

/// <summary>No file below deploy and components is there that no test reads.</summary>
public sealed class ReadFilesTests
{
    /// <summary>Which files a test reads: a pattern of their paths, the class of the test, and the path by which the class names them.</summary>
    private static readonly (string Pattern, string Reader, string Named)[] Readers =
    [
        (@"components/\w+\.yaml", nameof(ManifestFileTests), "components"),
        (@"deploy/kubernetes/.+\.yaml", nameof(ManifestFileTests), "deploy/kubernetes"),
        (@"deploy/engines/[\w-]+/(pubsub|resiliency|statestore)\.yaml", nameof(EngineFilesTests), "deploy/engines"),
        (@"deploy/prometheus-rules\.yaml", nameof(AlertsTests), "deploy/prometheus-rules.yaml"),
        (@"deploy/prometheus-rules\.test\.yaml", nameof(AlertsTests), "deploy/prometheus-rules.test.yaml"),
        (@"deploy/prometheus\.yaml", nameof(ScrapeTests), "deploy/prometheus.yaml"),
        (@"deploy/prometheus-kubernetes\.yaml", nameof(ScrapeTests), "deploy/prometheus-kubernetes.yaml"),
        // Of tests/Integration.
        (@"deploy/grafana-dashboard\.json", "PrometheusTests", "deploy/grafana-dashboard.json"),
    ];

    private static readonly string[] Files = [.. new[] { "components", "deploy" }.SelectMany(Repository.FilesBelow)];

    [Fact]
    public void Every_file_is_read_by_a_test()
    {
        var unread = Files.Where(file => !IsRead(file)).ToArray();
        Assert.True(unread.Length == 0, $"No test reads {string.Join(", ", unread)}: add one, and its row above.");
    }

    [Theory]
    [InlineData("components/secrets.json")]
    [InlineData("deploy/kubernetes/overlays/kind/notes.md")]
    [InlineData("deploy/engines/kafka-postgresql/topics.yaml")]
    [InlineData("deploy/prometheus-rules.yaml.orig")]
    [InlineData("deploy/alertmanager.yaml")]
    public void A_file_that_no_test_would_read_is_noticed(string file) => Assert.False(IsRead(file));

    /// <summary>A row that has lost its files, or its test, would let a new file pass.</summary>
    [Fact]
    public void Each_reader_is_a_class_of_tests_that_names_its_files()
    {
        var sources = Repository.FilesBelow("tests").Where(file => !file.Contains("node_modules")).ToLookup(Path.GetFileName);
        foreach (var (pattern, reader, named) in Readers)
        {
            Assert.True(Files.Any(file => Matches(pattern, file)), $"{pattern} has no file.");
            var source = Repository.Read(Assert.Single(sources[$"{reader}.cs"]));
            Assert.Matches($@"\bclass {reader}\b", source);
            Assert.Matches(@"\[(Fact|Theory)\b", source);
            Assert.Contains($"\"{named}\"", source);
        }
    }

    /// <summary>A manifest that no overlay includes would be applied nowhere, and compared with nothing.</summary>
    [Fact]
    public void Every_manifest_is_part_of_an_overlay()
    {
        var manifests = Files.Where(file => Regex.IsMatch(file, "^(components|deploy/kubernetes)/")).ToHashSet();
        Assert.Empty(manifests.Except(Overlay.Files));
        Assert.Empty(Overlay.Files.Except(manifests));
    }

    private static bool IsRead(string file) => Readers.Any(reader => Matches(reader.Pattern, file));

    private static bool Matches(string pattern, string file) => Regex.IsMatch(file, $"^(?:{pattern})$");
}
