using System.Text.Json;
using Bench;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

if (args is ["serve"])
{
    await Server.RunAsync();
    return;
}

if (args.Except(["--json", "--long"]).Any())
{
    Console.Error.WriteLine("bench/Grpc [--json] [--long]    --long: the growth over a million calls instead of a hundred thousand");
    Environment.ExitCode = 1;
    return;
}

var (server, address) = Server.Start();
using var channel = GrpcChannel.ForAddress(address);
var client = new Echo.EchoClient(channel);
var small = new Blob { Payload = ByteString.CopyFrom(new byte[100]) };
var large = new Blob { Payload = ByteString.CopyFrom(new byte[1024 * 1024]) };

var meter = new Meter(client);
var costs = new[]
{
    await meter.MeasureAsync("unary, 100 B, 64 at once", 60_000, calls => Load.UnaryAsync(client, small, calls, atOnce: 64)),
    await meter.MeasureAsync("server stream, 100 B a message", 200_000, messages => Load.StreamAsync(client, messages, size: 100)),
    await meter.MeasureAsync("unary, 1 MB both ways, 4 at once", 400, calls => Load.UnaryAsync(client, large, calls, atOnce: 4)),
};
var growth = await meter.GrowthAsync(args.Contains("--long") ? 1_000_000 : 100_000, calls => Load.UnaryAsync(client, small, calls, atOnce: 64));

if (args.Contains("--json"))
{
    Console.WriteLine(JsonSerializer.Serialize(new { costs, growth }, JsonSerializerOptions.Web));
}
else
{
    Report.Print(costs, growth);
}

server.StandardInput.Close();
await server.WaitForExitAsync();
