using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace StandIns.GrpcTests;

public class PublicSurfaceIsWritten
{
    /// <summary>One type of each official package; the stand-ins have them all in two assemblies.</summary>
    private static readonly Assembly[] Packages =
    [
        typeof(Grpc.Core.Metadata).Assembly,
        typeof(Grpc.AspNetCore.Server.GrpcServiceOptions).Assembly,
        typeof(Grpc.Net.Client.GrpcChannel).Assembly,
        typeof(GrpcReflectionServiceExtensions).Assembly,
        typeof(Grpc.AspNetCore.HealthChecks.GrpcHealthChecksOptions).Assembly,
        typeof(Dapr.DaprException).Assembly,
        typeof(Dapr.Client.DaprClient).Assembly,
        typeof(DaprServiceCollectionExtensions).Assembly,
    ];

    [Fact]
    public void The_public_surface_is_the_one_written_down()
    {
        var written = File.ReadAllLines(ApiFile());
        var actual = PublicSurface.Of(Packages.Concat(Beneath)).ToArray();
        if (Environment.GetEnvironmentVariable("ACCEPT_API") == "1")
        {
            File.WriteAllText(ApiFile(), string.Join('\n', actual) + '\n');
            return;
        }

        Assert.True(
            written.Except(actual).Concat(Official ? [] : actual.Except(written)).ToArray() is [],
            $"""
             standins/nuget/API.txt and the assemblies differ; ACCEPT_API=1 writes the file anew.
             Written only:
             {string.Join('\n', written.Except(actual))}
             In the assemblies only:
             {string.Join('\n', Official ? [] : actual.Except(written))}
             """);
    }

    /// <summary>Packages that come with those.</summary>
    private static IEnumerable<Assembly> Beneath => Packages
        .SelectMany(package => package.GetReferencedAssemblies())
        .Where(name => name.Name!.StartsWith("Grpc.", StringComparison.Ordinal) || name.Name.StartsWith("Dapr.", StringComparison.Ordinal))
        .Select(Assembly.Load);

    /// <summary>Official packages show more than is written down, but all of it.</summary>
    private static bool Official => !typeof(Grpc.Core.Metadata).Assembly.GetName().Name!.EndsWith("StandIn", StringComparison.Ordinal);

    private static string ApiFile([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../../standins/nuget/API.txt"));
}
