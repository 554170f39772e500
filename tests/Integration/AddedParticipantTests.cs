using System.Text.RegularExpressions;

namespace Integration;

/// <summary>The commands of docs/add-a-participant.md, in a clone of the repository.</summary>
public sealed partial class AddedParticipantTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("added-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Only_its_folder_the_run_file_and_the_scopes_change()
    {
        var clone = Path.Combine(folder.FullName, "clone");
        await RunAsync(RunningShop.Root, "git clone -q --no-hardlinks . \"$0\"", clone);
        // The templates of the user who runs the tests stay as they are.
        var hive = $"--debug:custom-hive {Path.Combine(folder.FullName, "hive")}";
        var made = Blocks()[0].Split('\n').Where(line => line.StartsWith("dotnet new", StringComparison.Ordinal)).Select(line => $"{line} {hive}").ToArray();
        Assert.Equal(2, made.Length);
        await RunAsync(clone, string.Join('\n', made));
        await RunAsync(clone, Blocks().Single(block => block.Contains("components/*.yaml")));
        await RunAsync(clone, Regex.Match(Blocks().Single(block => block.Contains("cat >> dapr.yaml")), @"(?s)^cat.*?\nEOF\n").Value);

        var changed = (await RunAsync(clone, "git diff --stat --name-only; git ls-files --others --exclude-standard")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("dapr.yaml", changed);
        Assert.Contains("services/Points/Program.cs", changed);
        Assert.DoesNotContain(changed, file => file != "dapr.yaml"
            && !file.StartsWith("services/Points/", StringComparison.Ordinal) && !file.StartsWith("components/", StringComparison.Ordinal));
        // In the components nothing but scopes.
        var lines = (await RunAsync(clone, "git diff -U0 components")).Split('\n').Where(line => Regex.IsMatch(line, "^[+-][^+-]")).ToArray();
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Matches(@"^[+-](scopes: \[|\s+value: ""points=|\s+value: ""orders=)", line));
    }

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
