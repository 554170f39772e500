using System.Diagnostics;
using System.Text.Json;
using Shop;

namespace Integration.Cli;

/// <summary>A run of the command line: exit code, standard output and standard error.</summary>
internal sealed record CliRun(int Exit, string Output, string Error)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(3);

    /// <summary>The output of --json.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The output of --json with --watch: one document on each line.</summary>
    public IReadOnlyList<JsonElement> JsonLines =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>A text field of the output of --json.</summary>
    public string? GetField(string parent, string field) => Json.GetProperty(parent).GetProperty(field).GetString();

    public override string ToString() => $"exit {Exit}\n{Output}\n{Error}";

    /// <summary>Runs a command with the addresses of the shop.</summary>
    public static Task<CliRun> AgainstAsync(RunningShop shop, params IEnumerable<string> words) => shop.Token is null
        ? InProcessAsync([.. words, .. GetAddressOptions(shop)])
        : RunAsync("dotnet", [RunningShop.ProgramOf("Shop"), .. words, .. GetAddressOptions(shop)], shop.Token);

    /// <summary>Runs the audit until it holds: what is being settled takes its time.</summary>
    public static async Task UntilAuditHoldsAsync(RunningShop shop)
    {
        CliRun? audit = null;
        await Poll.UntilAsync(async () => (audit = await AgainstAsync(shop, "audit", "--json")).Exit == 0, () => $"{audit}");
    }

    /// <summary>Runs a command with the default addresses.</summary>
    public static Task<CliRun> WithoutAddressesAsync(params IEnumerable<string> words) => InProcessAsync([.. words]);

    /// <summary>Runs a program as a process.</summary>
    /// <param name="token">Of SHOP_TOKEN. Null: none.</param>
    public static async Task<CliRun> RunAsync(string program, IEnumerable<string> words, string? token = null)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (token is not null) start.Environment["SHOP_TOKEN"] = token;
        foreach (var word in words) start.ArgumentList.Add(word);
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Timeout);
        return new(process.ExitCode, await output, await error);
    }

    /// <summary>Runs a command in this process, which costs a hundredth of one of its own.</summary>
    private static async Task<CliRun> InProcessAsync(string[] words)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Task.Run(() =>
        {
            RunOutput.Redirect(output, error);
            return ShopCommand.RunAsync(words);
        }).WaitAsync(Timeout);
        return new(exit, $"{output}", $"{error}");
    }

    public static IEnumerable<string> GetAddressOptions(RunningShop shop) =>
        ["--orders", shop.AddressOf("5001"), "--stock", shop.AddressOf("5002"), "--payments", shop.AddressOf("5003"), "--coupons", shop.AddressOf("5004")];
}
