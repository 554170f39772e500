using System.CommandLine;
using Shop;

namespace Integration.Cli;

/// <summary>What is typed before anything is asked of the shop.</summary>
public sealed class UsageTests
{
    public static TheoryData<string> Commands => [.. Leaves(ShopCommand.Root(), "shop").Select(leaf => leaf.Path)];

    [Theory, MemberData(nameof(Commands))]
    public void Every_command_has_an_example_that_it_understands(string path)
    {
        var (_, command) = Leaves(ShopCommand.Root(), "shop").Single(leaf => leaf.Path == path);
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
    public async Task Wrong_usage_is_one_line_and_2(string words, string says)
    {
        var typed = await CliRun.WithoutAddressesAsync(words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(2, typed.Exit);
        Assert.Contains(says, typed.Error);
        Assert.Single(typed.Error.Trim().Split('\n'));
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
    public async Task Bash_completes_what_was_begun(string line, string expected)
    {
        var words = line.Split(' ');
        var script = $$"""
            shop() { dotnet {{RunningShop.ProgramOf("Shop")}} "$@"; }
            source <(shop completion bash)
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_CWORD={{words.Length - 1}} COMP_WORDS=({{string.Join(' ', words.Select(word => $"'{word}'"))}})
            _shop
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        var typed = await CliRun.RunAsync("bash", ["-c", script]);
        Assert.Equal(expected.Split(' '), typed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    private static IEnumerable<(string Path, Command Command)> Leaves(Command command, string path) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(sub => Leaves(sub, $"{path} {sub.Name}"));
}
