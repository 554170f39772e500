using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Bench;

/// <summary>The server, in a process of its own so that its cost is its own.</summary>
internal static class Server
{
    /// <summary>Serves until its input ends, which it does when the client's process does.</summary>
    public static async Task RunAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        await using var app = builder.Build();
        app.MapGrpcService<EchoService>();
        await app.StartAsync();
        Console.WriteLine(app.Urls.Single());
        await Console.In.ReadToEndAsync();
    }

    public static (Process Process, string Address) Start()
    {
        var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["serve"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        return (process, process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The server did not start."));
    }
}
