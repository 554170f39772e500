using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Saga.Tests;

/// <summary>The layers of saga/ are its folders; saga/README.md draws the edges, and the usings must not add one.</summary>
public sealed partial class LayerTests
{
    private static readonly string Saga = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../saga"));
    private static readonly string[] Layers =
        [.. Directory.EnumerateDirectories(Saga).Select(folder => Path.GetFileName(folder)!).Where(name => name is not ("bin" or "obj"))];

    [Fact]
    public void A_namespace_is_its_folder() => Assert.All(Sources(), source => Assert.Contains($"namespace Saga.{source.Layer};", source.Text));

    [Fact]
    public void The_usings_are_the_edges_of_the_picture()
    {
        var used = Sources()
            .SelectMany(source => Using().Matches(source.Text).Select(match => (From: source.Layer, To: match.Groups[1].Value)))
            .Distinct().Order().ToArray();
        Assert.Equal(Drawn().Order(), used);
    }

    [Fact]
    public void Every_edge_leads_down()
    {
        var order = Regex.Matches(File.ReadAllText(Path.Combine(Saga, "README.md")), @"^\| \[?(\w+)\]?\(?[\w/]*\)? \|", RegexOptions.Multiline)
            .Select(row => row.Groups[1].Value).Where(Layers.Contains).ToList();
        Assert.Equal(Layers.Order(), order.Order());
        Assert.All(Drawn(), edge => Assert.True(order.IndexOf(edge.From) < order.IndexOf(edge.To), $"{edge.From} must not use {edge.To}, which is above it."));
    }

    [Fact]
    public void No_layer_is_used_without_a_using() => Assert.All(
        Sources(),
        source => Assert.DoesNotMatch(
            // Inside of namespace Saga a layer can be named without it. A property may have the name of a layer.
            $@"\bSaga\.({string.Join('|', Layers)})\.|(?<![\w.])({string.Join('|', Layers.Where(layer => layer != source.Layer))})\.[A-Z]\w*[ (.<?]",
            Regex.Replace(WithoutComments(source.Text), "(?m)^(using|namespace) .*$", "")));

    /// <summary>Not in the middle of a text either. Comments may have examples.</summary>
    [Fact]
    public void Nothing_in_the_library_names_a_participant() => Assert.All(
        Sources(),
        source => Assert.DoesNotMatch(@"(?i)\b(stock|payments|coupons|points|(stock|payment|coupon)service)\b", WithoutComments(source.Text)));

    /// <summary>Orders is the participants' counterpart: its events are their input, and it knows the outcome of an order.</summary>
    [Fact]
    public void Only_the_query_for_outcomes_calls_Orders()
    {
        var callers = Sources().Where(source => Regex.IsMatch(WithoutComments(source.Text), @"""(\w+,)*orders(,\w+)*""|\bOrderServiceClient\b"));
        Assert.Equal(["OrderStatusClient"], callers.Select(source => Regex.Match(source.Text, @"class (\w+)").Groups[1].Value));
    }

    [Fact]
    public void State_knows_nothing_of_reservations() => Assert.All(
        Sources().Where(source => source.Layer is "State" or "Dapr"),
        source => Assert.DoesNotContain("reservation", source.Text, StringComparison.OrdinalIgnoreCase));

    /// <summary>The arrows of the mermaid picture: "Hosting --> Messaging".</summary>
    private static IReadOnlyList<(string From, string To)> Drawn() =>
        [.. Arrow().Matches(File.ReadAllText(Path.Combine(Saga, "README.md")))
            .SelectMany(arrow => arrow.Groups[2].Value.Split(" & ").Select(to => (arrow.Groups[1].Value, to)))];

    private static IEnumerable<(string Layer, string Text)> Sources() =>
        Layers.SelectMany(layer => Directory.EnumerateFiles(Path.Combine(Saga, layer), "*.cs", SearchOption.AllDirectories).Select(file => (layer, File.ReadAllText(file))));

    [GeneratedRegex(@"^(?:global )?using (?:static |\w+ = )?Saga\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"^  (\w+) --> (\w+(?: & \w+)*)$", RegexOptions.Multiline)]
    private static partial Regex Arrow();

    private static string WithoutComments(string text) => Regex.Replace(text, @"(?m)^\s*//.*$", "");

    private static string ThisFile([CallerFilePath] string here = "") => here;
}
