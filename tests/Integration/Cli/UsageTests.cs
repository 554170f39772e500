using System.CommandLine;
using Shop;

namespace Integration.Cli;

/// <summary>Parsing, help and completion, without a shop.</summary>
public sealed class UsageTests
{
    public static TheoryData<string> Commands => [.. GetLeaves(ShopCommand.Root(), "shop").Select(leaf => leaf.Path)];

    [Theory, MemberData(nameof(Commands))]
    public void Every_command_has_a_valid_example(string path)
    {
        var (_, command) = GetLeaves(ShopCommand.Root(), "shop").Single(leaf => leaf.Path == path);
        var examples = command.Description!.Split('\n').Select(line => line.Trim())
            .Where(line => line.StartsWith("shop ", StringComparison.Ordinal)).ToArray();
        if (path == "shop completion") examples = ["shop completion bash"];
        Assert.NotEmpty(examples);
        foreach (var example in examples)
        {
            Assert.StartsWith($"{path}", example);
            var parsed = ShopCommand.Root().Parse(example.Split('|')[0]["shop ".Length..].Replace('\'', '"'));
            Assert.True(parsed.Errors.Count == 0, $"{example}: {string.Join(' ', parsed.Errors)}");
        }
    }

    [Theory]
    [InlineData("order place mina", "--item")]
    [InlineData("order place --item lamp", "argument missing")]
    [InlineData("orders --status lost", "lost")]
    [InlineData("orders --limit 0", "--limit")]
    [InlineData("orders --open --status failed", "--open and --status")]
    [InlineData("coupon issue mina", "--won-off or --percent-off")]
    [InlineData("coupon issue mina --won-off 1 --percent-off 1", "--won-off or --percent-off")]
    [InlineData("orders --orders nowhere", "--orders")]
    [InlineData("load -n 100001", "--count must be 1 to 100000")]
    [InlineData("load --in-flight 201", "--in-flight")]
    [InlineData("load --stock http://192.0.2.1:5002", "on this machine")]
    [InlineData("doctor --stock-sidecar x", "--stock-sidecar")]
    [InlineData("completion fish", "fish")]
    [InlineData("sell", "sell")]
    [InlineData("", "command")]
    public async Task Wrong_usage_prints_one_line_and_exits_with_2(string words, string message)
    {
        var run = await CliRun.WithoutAddressesAsync(words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(2, run.Exit);
        Assert.Contains(message, run.Error);
        Assert.Single(run.Error.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("shop or", "order orders")]
    [InlineData("shop order p", "place")]
    [InlineData("shop orders --status ", "confirmed failed pending")]
    [InlineData("shop dead-letters redrive --dry", "--dry-run")]
    [InlineData("shop load --in", "--in-flight")]
    [InlineData("shop order place mina --item lamp --wa", "--watch")]
    [InlineData("shop order place mina --watch --item lamp --ke", "--key")]
    [InlineData("shop orders --status failed --li", "--limit")]
    [InlineData("shop orders --open --li", "--limit")]
    public async Task Bash_completes_commands_options_and_values(string line, string expected)
    {
        var words = line.Split(' ');
        var script = $$"""
            shop() { dotnet {{RunningShop.ProgramOf("Shop")}} "$@"; }
            source <(shop completion bash)
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_CWORD={{words.Length - 1}} COMP_WORDS=({{string.Join(' ', words.Select(word => $"'{word}'"))}})
            _shop
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        var run = await CliRun.RunAsync("bash", ["-c", script]);
        Assert.Equal(expected.Split(' '), run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    private static IEnumerable<(string Path, Command Command)> GetLeaves(Command command, string path) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(sub => GetLeaves(sub, $"{path} {sub.Name}"));
}
