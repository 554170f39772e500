namespace Integration;

/// <summary>
/// Builds projects outside of the solution, with the packed library as their only source of packages. What it depends on comes from the packages of this
/// build, so that no feed is asked.
/// </summary>
internal static class OutsideBuild
{
    private static readonly TimeSpan Timeout = TimeSpan.FromMinutes(5);

    /// <summary>Packing writes into the folder of the build, too.</summary>
    private static readonly SemaphoreSlim Packing = new(1);

    /// <summary>Packs the library into a folder.</summary>
    public static async Task PackAsync(string configuration, string folder)
    {
        await Packing.WaitAsync();
        try
        {
            await RunAsync("pack", Path.Combine(RunningShop.Root, "saga"), "-c", configuration, "--no-build", "-o", folder, "--nologo", "-v", "q");
        }
        finally
        {
            Packing.Release();
        }
    }

    /// <param name="packed">The folder with the packed library.</param>
    public static void WriteNuGetConfig(string project, string packed)
    {
        var built = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget/packages");
        File.WriteAllText(Path.Combine(project, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <clear />
                <add key="packed" value="{packed}" />
              </packageSources>
              <fallbackPackageFolders>
                <add key="built" value="{built}" />
              </fallbackPackageFolders>
              <config>
                <add key="globalPackagesFolder" value="{Path.Combine(packed, "installed")}" />
              </config>
            </configuration>
            """);
    }

    /// <summary>Runs the .NET command line.</summary>
    public static async Task RunAsync(params string[] arguments)
    {
        await using var dotnet = ChildProcess.Start("dotnet", arguments, new Dictionary<string, string>
        {
            // Otherwise the variable would hide the folder in nuget.config.
            ["NUGET_PACKAGES"] = "", ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0",
        });
        await dotnet.Ended.WaitAsync(Timeout);
        Assert.True(await dotnet.ExitAsync() == 0, $"dotnet {string.Join(' ', arguments)}\n{dotnet.Output}");
    }
}
