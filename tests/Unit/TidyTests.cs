using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Saga.Tests;

/// <summary>Rules of the repository that no compiler checks.</summary>
public sealed class TidyTests
{
    private static readonly string Root = RootOf();
    private static readonly string[] Services = ["Orders", "Stock", "Payments", "Coupons"];

    [Fact]
    public void No_service_references_another()
    {
        foreach (var service in Services)
        {
            var project = File.ReadAllText(Path.Combine(Root, "services", service, $"{service}.csproj"));
            Assert.All(Services, other => Assert.DoesNotContain($"{other}.csproj", project));
        }
    }

    [Fact]
    public void The_console_references_no_service() => Assert.DoesNotMatch(
        @"ProjectReference Include=""\.\./(?!\.\./(saga|client)/)", File.ReadAllText(Path.Combine(Root, "services/Console/Console.csproj")));

    [Fact]
    public void Nothing_in_the_product_knows_of_a_stand_in() => Assert.All(
        Sources("services", "saga", "protos", "cli", "client"),
        file => Assert.DoesNotContain("standin", File.ReadAllText(file).Replace("-", ""), StringComparison.OrdinalIgnoreCase));

    [Fact]
    public void Only_the_components_name_Redis_as_something_to_connect_to() => Assert.All(
        Sources("services", "saga"), file => Assert.DoesNotMatch("(?i)stackexchange|redisHost|6379", File.ReadAllText(file)));

    [Fact]
    public void The_sidecars_listen_on_this_machine_only() => Assert.Contains(
        "\n  apiListenAddresses: 127.0.0.1\n", File.ReadAllText(Path.Combine(Root, "dapr.yaml")));

    [Fact]
    public void Pure_code_has_no_clock_no_randomness_and_no_await() => Assert.All(
        Sources("services", "saga").Where(file => file.EndsWith("Decisions.cs", StringComparison.Ordinal)
            || file.Contains("/Orders/Domain/", StringComparison.Ordinal) || Pure.Contains(Path.GetFileName(file))),
        file => Assert.DoesNotMatch(@"TimeProvider|\.Get(Utc|Local)Now|Guid\.(New|Create)|Random\b|Task\b|await", File.ReadAllText(file)));

    [Fact]
    public void The_clock_of_the_machine_is_named_only_where_services_are_registered() => Assert.Equal(
        ["SagaHost.cs"], Sources("services", "saga").Where(file => File.ReadAllText(file).Contains("TimeProvider.System")).Select(Path.GetFileName));

    [Fact]
    public void Every_file_that_a_document_names_exists()
    {
        string[] folders = ["docs", "saga", "services", "client", "cli", "tests", "bench", "standins", "deploy", "samples"];
        var named = folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Root, "*.md")).Where(document => !document.Contains("node_modules"))
            .SelectMany(document => Regex.Matches(File.ReadAllText(document), $@"`((?:{string.Join('|', folders)}|components|protos|templates|requests)/[\w./-]+\.\w+)`")
                .Select(path => (Document: Path.GetRelativePath(Root, document), Path: path.Groups[1].Value))).ToArray();
        Assert.True(named.Length > 100, $"Only {named.Length} files are named.");
        Assert.All(named, one => Assert.True(File.Exists(Path.Combine(Root, one.Path)), $"{one.Document} names {one.Path}."));
    }

    [Fact]
    public void Every_topic_is_in_the_events_reference()
    {
        var reference = File.ReadAllText(Path.Combine(Root, "docs/reference/events.md"));
        var events = Regex.Matches(File.ReadAllText(Path.Combine(Root, "protos/shop/v1/events.proto")), @"message (\w+Event) ")
            .Select(match => match.Groups[1].Value).ToArray();
        Assert.Equal(15, events.Length);
        Assert.All(events, name => Assert.Contains(
            $"| {name} | {(name.StartsWith("Step", StringComparison.Ordinal) ? $"`<step>{OutgoingEvent.GetTopic(name)["step".Length..]}`" : OutgoingEvent.GetTopic(name))} |", reference));
    }

    [Fact]
    public void Every_hazard_of_the_table_has_its_test()
    {
        var table = Regex.Matches(File.ReadAllText(Path.Combine(Root, "docs/hazards.md")), @"^\| ([HB]\d+) \|.*\| `(\w+)\.(\w+)` \|$", RegexOptions.Multiline)
            .ToDictionary(row => row.Groups[1].Value, row => (Class: row.Groups[2].Value, Method: row.Groups[3].Value));
        Assert.Equal([.. Numbered("B", 14), .. Numbered("H", 33)], table.Keys.Order(StringComparer.Ordinal));
        Assert.Distinct(table.Values);

        var tests = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText).ToArray();
        Assert.All(table, row => Assert.Contains(tests, source => Regex.IsMatch(source, $@"class {row.Value.Class}\b")
            && Regex.IsMatch(source, $@"Trait\(""Hazard"", ""{row.Key}""\)(?:(?!\bpublic\b)[\s\S])*public \S+(?: Task)? {row.Value.Method}\(")));
        var named = tests.SelectMany(source => Regex.Matches(source, @"Trait\(""Hazard"", ""(\w+)""\)").Select(match => match.Groups[1].Value));
        Assert.All(named, hazard => Assert.Contains(hazard, table.Keys));

        static IEnumerable<string> Numbered(string letter, int count) =>
            Enumerable.Range(1, count).Select(number => $"{letter}{number}").Order(StringComparer.Ordinal);
    }

    [Fact]
    public void Names_say_what_things_are() => Assert.All(
        Sources("services", "saga", "cli", "client", "standins", "tests"),
        file => Assert.DoesNotMatch(@"(class|record|interface) \w*(Manager|Helper|Helpers|Util|Utils)\b", File.ReadAllText(file)));

    /// <summary>Counted as ADR 0017 says.</summary>
    [Theory]
    [InlineData("standins", 4_500)]
    [InlineData("tests/Conformance", 3_500)]
    public void The_stand_in_and_its_tests_stay_small(string folder, int linesMax)
    {
        var lines = Sources(folder)
            .Where(file => file.EndsWith(".cs", StringComparison.Ordinal) && !Regex.IsMatch(Path.GetRelativePath(Root, file), @"(^|[/\\])(bin|obj)[/\\]"))
            .Sum(file => File.ReadLines(file).Count());
        Assert.InRange(lines, 1, linesMax);
    }

    [Fact]
    public void Nothing_is_left_to_do()
    {
        Assert.All(Sources("services", "saga", "cli", "client", "standins"), file => Assert.DoesNotMatch("TO" + "DO|FIX" + "ME", File.ReadAllText(file)));
        Assert.All(Sources("services", "saga", "cli", "client"), file => Assert.DoesNotContain("NotImplemented", File.ReadAllText(file)));
    }

    private static readonly string[] Pure =
        ["Holdings.cs", "Reservation.cs", "PlacingDecisions.cs", "Explanation.cs", "Order.cs", "Product.cs", "Account.cs", "Coupon.cs"];

    private static IEnumerable<string> Sources(params string[] folders)
    {
        var files = folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*", SearchOption.AllDirectories))
            .Where(file => Path.GetExtension(file) is ".cs" or ".csproj" or ".proto" && !file.Contains("node_modules")).ToArray();
        Assert.NotEmpty(files);
        return files;
    }

    private static string RootOf([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../.."));
}
