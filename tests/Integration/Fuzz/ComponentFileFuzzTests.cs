using Saga.Tests.Fuzz;
using Shop.Doctor;
using YamlDotNet.Core;

namespace Integration.Fuzz;

/// <summary>Broken component files are read by ./shop doctor, or refused as no YAML; none ends in another exception.</summary>
public sealed class ComponentFileFuzzTests : IDisposable
{
    private const double Share = 0.025;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("components-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory, InlineData("{a: "), InlineData("["), InlineData("? ")]
    public void Deep_nesting_is_refused(string level)
    {
        File.WriteAllText(Path.Combine(folder.FullName, "component.yaml"), string.Concat(Enumerable.Repeat(level, 50_000)));
        Assert.Contains("nested more than", Assert.Throws<YamlException>(() => ComponentFiles.Read(folder.FullName)).Message);
    }

    [Fact]
    public void A_component_file_is_read_or_refused()
    {
        var valid = Directory.EnumerateFiles(Path.Combine(RunningShop.Root, "components")).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToArray();
        var (readable, refused) = (0, 0);
        foreach (var seed in FuzzSettings.Seeds(Share))
        {
            var mutator = new Mutator(new(seed));
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var content = mutator.Bytes(mutator.Pick(valid));
                File.WriteAllBytes(Path.Combine(folder.FullName, "component.yaml"), content);
                try
                {
                    var files = ComponentFiles.Read(folder.FullName);
                    _ = (files.Redis.Count, files.RetriesDeliveries, files.FindHazards().Count());
                    readable++;
                }
                catch (YamlException)
                {
                    refused++;
                }
                catch (Exception broken)
                {
                    Assert.Fail(FuzzSettings.Describe(seed, $"{broken}\n{Convert.ToBase64String(content)}", "Integration"));
                }
            }
        }
        Assert.True(readable > 0 && refused > 0, $"{readable} readable, {refused} refused");
    }
}
