using System.Diagnostics;
using System.Text.Json;

namespace Integration.Cli;

/// <summary>What came of a command as somebody types it: the program itself, in a process.</summary>
internal sealed record CliRun(int Exit, string Output, string Error)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Of --json.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>Of --json where something is watched: one on each line.</summary>
    public IReadOnlyList<JsonElement> JsonLines =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>A field of what --json answered.</summary>
    public string? Told(string of, string field) => Json.GetProperty(of).GetProperty(field).GetString();

    public override string ToString() => $"exit {Exit}\n{Output}\n{Error}";

    public static Task<CliRun> AgainstAsync(RunningShop shop, params IEnumerable<string> words) =>
        RunAsync("dotnet", [RunningShop.ProgramOf("Shop"), .. words, .. AddressesOf(shop)]);

    /// <summary>With nothing said about where the shop is.</summary>
    public static Task<CliRun> WithoutAddressesAsync(params IEnumerable<string> words) => RunAsync("dotnet", [RunningShop.ProgramOf("Shop"), .. words]);

    public static async Task<CliRun> RunAsync(string program, IEnumerable<string> words)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var word in words) start.ArgumentList.Add(word);
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(Patience);
        return new(process.ExitCode, await output, await error);
    }

    public static IEnumerable<string> AddressesOf(RunningShop shop) =>
        ["--orders", shop.AddressOf("5001"), "--stock", shop.AddressOf("5002"), "--payments", shop.AddressOf("5003"), "--coupons", shop.AddressOf("5004")];
}
