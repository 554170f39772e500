using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace Saga.Tests;

/// <summary>The component files of other stores and brokers differ from the default ones in the engine alone.</summary>
public sealed class EngineFilesTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "../.."));

    public static TheoryData<string> Engines =>
    [
        .. Directory.EnumerateDirectories(Path.Combine(Root, "deploy/engines")).Select(folder => Path.GetFileName(folder)!)
            .Order(StringComparer.Ordinal),
    ];

    [Theory, MemberData(nameof(Engines))]
    public void An_engine_has_a_broker_a_store_and_the_resiliency_of_the_default(string engine)
    {
        string[] files = ["pubsub.yaml", "resiliency.yaml", "statestore.yaml"];
        Assert.Equal(
            files, Directory.EnumerateFiles(Path.Combine(Root, "deploy/engines", engine)).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(Read("components/resiliency.yaml"), Read($"deploy/engines/{engine}/resiliency.yaml"));
    }

    [Theory, MemberData(nameof(Engines))]
    public void An_engine_has_the_names_and_scopes_of_the_default(string engine)
    {
        foreach (var file in (string[])["pubsub.yaml", "statestore.yaml"])
        {
            var (its, usual) = (Read($"deploy/engines/{engine}/{file}"), Read($"components/{file}"));
            Assert.All((string[])["apiVersion", "kind", "metadata", "scopes"], part => Assert.Equal(usual[part], its[part]));
        }
        foreach (var scopes in (string[])["publishingScopes", "subscriptionScopes"])
        {
            var usual = SettingsOf(Read("components/pubsub.yaml"))[scopes];
            Assert.Contains("orders=", usual);
            Assert.Equal(usual, SettingsOf(Read($"deploy/engines/{engine}/pubsub.yaml"))[scopes]);
        }
    }

    [Theory, MemberData(nameof(Engines))]
    public void An_engine_is_named_after_its_parts_and_a_Redis_in_it_is_configured_as_the_default(string engine)
    {
        var parts = engine.Split('-');
        foreach (var (part, file) in parts.Zip((string[])["pubsub.yaml", "statestore.yaml"]))
        {
            var type = ((YamlMappingNode)Read($"deploy/engines/{engine}/{file}")["spec"])["type"].ToString();
            Assert.Equal($"{(file == "pubsub.yaml" ? "pubsub" : "state")}.{part}", type);
            if (part == "redis") Assert.Equal(Text($"components/{file}"), Text($"deploy/engines/{engine}/{file}"));
        }
        Assert.Equal(2, parts.Length);
    }

    [Fact]
    public void A_broker_and_a_store_are_configured_alike_in_each_engine()
    {
        var files = Directory.EnumerateFiles(Path.Combine(Root, "deploy/engines"), "*.yaml", SearchOption.AllDirectories).Select(File.ReadAllText);
        var components = files.Where(text => text.Contains("kind: Component\n"));
        Assert.All(components.GroupBy(text => Regex.Match(text, "^  type: (.*)$", RegexOptions.Multiline).Value), texts => Assert.Single(texts.Distinct()));
    }

    /// <summary>The one document of a file: Dapr looks for a Resiliency in the first alone.</summary>
    private static YamlMappingNode Read(string file)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(Text(file)));
        return (YamlMappingNode)Assert.Single(stream.Documents).RootNode;
    }

    private static Dictionary<string, string> SettingsOf(YamlMappingNode component) =>
        ((YamlSequenceNode)((YamlMappingNode)component["spec"])["metadata"]).Cast<YamlMappingNode>()
            .ToDictionary(setting => setting["name"].ToString(), setting => setting["value"].ToString());

    private static string Text(string file) => File.ReadAllText(Path.Combine(Root, file));

    private static string Here([CallerFilePath] string here = "") => here;
}
