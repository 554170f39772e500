using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Saga.Tests.Deploy;

/// <summary>What 'dotnet publish Images.slnf -t:PublishContainer' is going to build, as MSBuild evaluates it. No image is built.</summary>
public sealed class ImageTests
{
    /// <summary>Read by one call of MSBuild for all five projects.</summary>
    private const string Description = """
        <Project>
          <Target Name="DescribeImage" DependsOnTargets="ComputeContainerConfig" Returns="@(Image)">
            <ItemGroup>
              <Image Include="$(ContainerRepository)" Base="$(ContainerBaseImage)" User="$(ContainerUser)" Tags="@(ContainerImageTags)"
                     Architectures="$(RuntimeIdentifiers)" Ports="@(ContainerPort->'%(Identity)/%(Type)')"
                     Environment="@(ContainerEnvironmentVariables->'%(Identity)=%(Value)')"
                     Labels="@(ContainerLabel->'%(Identity)=%(Value)', '|')" File="$(TargetFileName)" />
            </ItemGroup>
          </Target>
        </Project>
        """;

    private const string DescribeAll = """
        <Project>
          <Target Name="DescribeImages">
            <MSBuild Projects="@Projects@" Targets="DescribeImage"
                     Properties="Configuration=Release;BothArchitectures=true;CustomAfterMicrosoftCommonTargets=@Description@">
              <Output TaskParameter="TargetOutputs" ItemName="Image" />
            </MSBuild>
          </Target>
        </Project>
        """;

    [Fact]
    public async Task An_image_is_chiselled_has_no_root_and_is_for_two_architectures()
    {
        var solution = JsonNode.Parse(Repository.Read("Images.slnf"))!["solution"]!;
        string[] projects = [.. solution["projects"]!.AsArray().Select(project => (string)project!)];
        var services = Directory.EnumerateFiles(Repository.PathOf("services"), "*.csproj", SearchOption.AllDirectories);
        Assert.Equal(services.Select(file => Path.GetRelativePath(Repository.Root, file)).Order(), projects.Order());

        var images = (await DescribeAsync(projects)).ToDictionary(image => (string)image!["Identity"]!, image => image!);
        var apps = Overlay.Get("kind").Apps;
        Assert.Equal(apps.Keys.Select(app => $"daprsaga/{app}").Order(), images.Keys.Order());
        foreach (var (id, app) in apps)
        {
            var (image, container) = (images[$"daprsaga/{id}"], app.Spec.Template.Spec.Containers.Single());
            Assert.Equal($"daprsaga/{id}:dev", container.Image);
            Assert.StartsWith("mcr.microsoft.com/dotnet/aspnet:10.0", (string)image["Base"]!);
            Assert.EndsWith("-noble-chiseled", (string)image["Base"]!);
            Assert.Equal($"{app.Spec.Template.Spec.SecurityContext.RunAsUser}", (string?)image["User"]);
            Assert.Equal("linux-x64;linux-arm64", (string?)image["Architectures"]);
            Assert.Equal(container.Ports.Select(port => $"{port.ContainerPort}/tcp"), ((string)image["Ports"]!).Split(';'));
            Assert.Equal(
                [
                    $"APP_PORT={container.Ports[0].ContainerPort}", $"HTTP_PORT={container.Ports[1].ContainerPort}", "ASPNETCORE_HTTP_PORTS=",
                    "DOTNET_EnableDiagnostics=0",
                ],
                ((string)image["Environment"]!).Split(';'));

            var labels = ((string)image["Labels"]!).Split('|').Select(label => label.Split('=', 2))
                .ToDictionary(label => label[0], label => label[1]);
            Assert.Equal("MIT", labels["org.opencontainers.image.licenses"]);
            Assert.Equal($"DaprSaga {Path.GetFileNameWithoutExtension((string)image["File"]!)}", labels["org.opencontainers.image.title"]);
            Assert.NotEmpty(labels["org.opencontainers.image.description"]);
            // The version of the library's package, which production runs.
            Assert.Contains($"<Version>{labels["org.opencontainers.image.version"]}</Version>", Repository.Read("saga/Saga.csproj"));
            Assert.Equal(labels["org.opencontainers.image.version"], (string?)image["Tags"]);
            Assert.Equal(
                $"registry.example.com/daprsaga/{id}:{labels["org.opencontainers.image.version"]}",
                Overlay.Get("production").Apps[id].Spec.Template.Spec.Containers.Single().Image);
            // With two architectures the SDK would cut them off there.
            Assert.All(labels.Values, value => Assert.DoesNotContain(':', value));
        }
    }

    private static async Task<JsonArray> DescribeAsync(IEnumerable<string> projects)
    {
        var folder = Directory.CreateTempSubdirectory("images");
        try
        {
            var (description, all) = (Path.Combine(folder.FullName, "description.targets"), Path.Combine(folder.FullName, "all.proj"));
            await File.WriteAllTextAsync(description, Description);
            await File.WriteAllTextAsync(
                all, DescribeAll.Replace("@Projects@", string.Join(';', projects.Select(Repository.PathOf))).Replace("@Description@", description));
            using var msbuild = Process.Start(new ProcessStartInfo("dotnet", ["msbuild", all, "-t:DescribeImages", "-getItem:Image", "-nologo"])
            {
                RedirectStandardOutput = true,
                WorkingDirectory = folder.FullName,
            })!;
            var output = await msbuild.StandardOutput.ReadToEndAsync();
            await msbuild.WaitForExitAsync();
            Assert.True(msbuild.ExitCode == 0, output);
            return JsonNode.Parse(output)!["Items"]!["Image"]!.AsArray();
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
