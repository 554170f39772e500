using System.Text.RegularExpressions;

namespace Integration;

/// <summary>The commands of docs/add-a-participant.md, in a clone of the repository.</summary>
public sealed partial class AddedParticipantTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("added-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Only_its_folder_the_run_file_and_the_scopes_change_and_a_second_one_joins_beside_the_first()
    {
        var clone = Path.Combine(folder.FullName, "clone");
        await RunAsync(RunningShop.Root, "git clone -q --no-hardlinks . \"$0\"", clone);
        // The templates of the user who runs the tests stay as they are.
        var hive = $" --debug:custom-hive {Path.Combine(folder.FullName, "hive")}";
        var make = string.Join('\n', BlockWith("dotnet new saga-participant").Split('\n').Where(line => line.StartsWith("dotnet new", StringComparison.Ordinal))
            .Select(line => line.Split('#')[0].TrimEnd() + hive
                // A check for updates writes the list of templates while the command reads it.
                + (line.StartsWith("dotnet new saga-participant", StringComparison.Ordinal) ? " --no-update-check" : "")));
        var join = $"{make}\n{BlockWith("components/*.yaml")}\n{BlockWith("cat >> dapr.yaml").Replace("./run.sh", "")}";
        await RunAsync(clone, $"{BlockWith("name=Delivery")}\n{join}");
        await RunAsync(clone, $"name=Gifts app=gifts number=7 folder=services/Gifts\n{join}");

        var changed = (await RunAsync(clone, "git diff --stat --name-only; git ls-files --others --exclude-standard")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("services/Delivery/Program.cs", changed);
        Assert.Contains("services/Gifts/Program.cs", changed);
        Assert.DoesNotContain(changed, file => file != "dapr.yaml" && !Regex.IsMatch(file, "^(services/(Delivery|Gifts)|components)/"));
        // In the components nothing but scopes.
        var lines = (await RunAsync(clone, "git diff -U0 components")).Split('\n').Where(line => Regex.IsMatch(line, "^[+-][^+-]")).ToArray();
        Assert.All(lines, line => Assert.Matches(@"^[+-](scopes: \[|\s+value: ""(orders|gifts)=)", line));
        string[] added = [.. lines.Where(line => line[0] == '+')];
        Assert.Equal(3, added.Count(line => line == "+scopes: [gifts, delivery, orders, stock, payments, coupons]"));
        var scopes = Assert.Single(added, line => line.Contains("gifts=gifts-succeeded,gifts-failed,gifts-compensated,gifts-dead-letters;"));
        Assert.Contains(";orders=order-created,", scopes);
        scopes = Assert.Single(added, line => line.Contains("gifts=order-created,order-confirmed,order-failed,gifts-dead-letters;"));
        Assert.Contains(
            ";orders=gifts-succeeded,gifts-failed,gifts-compensated,delivery-succeeded,delivery-failed,delivery-compensated,stock-reserved,", scopes);

        var runFile = await File.ReadAllTextAsync(Path.Combine(clone, "dapr.yaml"));
        Assert.Equal("\"stock,payments,coupons,delivery,gifts\"", Assert.Single(Regex.Matches(runFile, "Saga__Steps: (.*)")).Groups[1].Value);
        Assert.Equal(
            [new("delivery", 5006, 50006, 3506), new("gifts", 5007, 50007, 3507)], Shop.AddedParticipants.Find(Path.Combine(clone, "dapr.yaml")));
        // The ports that it has without the run file are the same.
        Assert.Contains("grpcPort: 5007", await File.ReadAllTextAsync(Path.Combine(clone, "services/Gifts/Program.cs")));
        foreach (var port in (string[])["5007", "8087", "50007", "3507"])
        {
            Assert.Contains($"\"{port}\"", await File.ReadAllTextAsync(Path.Combine(clone, "services/Gifts/Properties/launchSettings.json")));
        }
    }

    /// <summary>The shell block of the document that has this text.</summary>
    private static string BlockWith(string text) => Assert.Single(Blocks(), block => block.Contains(text));

    /// <summary>The shell blocks of the document, in their order.</summary>
    private static string[] Blocks() =>
        [.. Shell().Matches(File.ReadAllText(Path.Combine(RunningShop.Root, "docs/add-a-participant.md"))).Select(block => block.Groups[1].Value)];

    private static async Task<string> RunAsync(string directory, string script, params string[] arguments)
    {
        await using var bash = ChildProcess.Start("bash", ["-ec", $"cd '{directory}'\n{script}", .. arguments],
            new Dictionary<string, string> { ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0" });
        Assert.True(await bash.ExitAsync() == 0, $"{script}\n{bash.Output}");
        return bash.Output;
    }

    [GeneratedRegex(@"(?s)```sh\n(.*?)```")]
    private static partial Regex Shell();
}
