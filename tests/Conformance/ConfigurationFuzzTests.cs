extern alias daprd;

using daprd::Daprd.Files;
using daprd::Daprd.Runner;
using Saga.Tests.Fuzz;

namespace Conformance;

/// <summary>Broken component files and run files are read, or refused in a sentence; none ends in another exception.</summary>
public sealed class ConfigurationFuzzTests : IDisposable
{
    private const double Share = 0.05;

    private static readonly string Root = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("fuzz-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory, InlineData("{a: "), InlineData("["), InlineData("? ")]
    public void Deep_nesting_is_refused(string level)
    {
        var deep = System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(level, 50_000)));
        Assert.Contains("nested more than", Assert.Throws<ConfigurationException>(() => Read(deep, isRun: false)).Message);
        Assert.Contains("nested more than", Assert.Throws<ConfigurationException>(() => Read(deep, isRun: true)).Message);
    }

    [Fact]
    public void A_file_is_read_or_refused()
    {
        var components = Directory.EnumerateFiles(Path.Combine(Root, "components")).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToArray();
        var run = File.ReadAllBytes(Path.Combine(Root, "dapr.yaml"));
        var (readable, refused) = (0, 0);
        foreach (var seed in FuzzSettings.Seeds(Share))
        {
            var mutator = new Mutator(new(seed));
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var isRun = mutator.Happens(0.3);
                var content = mutator.Bytes(isRun ? run : mutator.Pick(components));
                try
                {
                    Read(content, isRun);
                    readable++;
                }
                catch (ConfigurationException)
                {
                    refused++;
                }
                catch (Exception broken)
                {
                    Assert.Fail(FuzzSettings.Describe(seed, $"{broken}\n{Convert.ToBase64String(content)}", "Conformance"));
                }
            }
        }
        Assert.True(readable > 0 && refused > 0, $"{readable} readable, {refused} refused");
    }

    private void Read(byte[] content, bool isRun)
    {
        var file = Path.Combine(folder.FullName, "one.yaml");
        File.WriteAllBytes(file, content);
        if (isRun)
        {
            RunFile.Read(file, [], _ => { });
            return;
        }
        Resources.Read([folder.FullName], "orders", _ => { });
        Configuration.Read([file], _ => { });
    }
}
