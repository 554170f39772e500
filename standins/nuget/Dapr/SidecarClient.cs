using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Grpc.Core;
using Grpc.Net.Client;
using Wire = Dapr.Client.Autogen.Grpc.v1;

namespace Dapr.Client;

/// <summary>Asks the sidecar over gRPC; only for its health over HTTP.</summary>
internal sealed partial class SidecarClient : DaprClient
{
    private readonly GrpcChannel channel;
    private readonly Wire.Dapr.DaprClient sidecar;
    private readonly HttpClient http;
    private readonly Metadata? headers;

    public SidecarClient(GrpcChannel channel, Uri httpEndpoint, JsonSerializerOptions json, string? apiToken)
    {
        this.channel = channel;
        sidecar = new(channel);
        JsonSerializerOptions = json;
        http = new HttpClient { BaseAddress = httpEndpoint };
        if (apiToken is not null)
        {
            headers = new() { { "dapr-api-token", apiToken } };
            http.DefaultRequestHeaders.Add("dapr-api-token", apiToken);
        }
    }

    public override JsonSerializerOptions JsonSerializerOptions { get; }

    protected override void Dispose(bool disposing)
    {
        channel.Dispose();
        http.Dispose();
    }

    private CallOptions Options(CancellationToken cancellationToken) => new(headers, cancellationToken: cancellationToken);

    private ByteString ToJson<T>(T value) =>
        UnsafeByteOperations.UnsafeWrap(JsonSerializer.SerializeToUtf8Bytes(value, JsonSerializerOptions));

    private static void Fill(MapField<string, string> map, IReadOnlyDictionary<string, string>? metadata)
    {
        foreach (var (key, value) in metadata ?? System.Collections.Frozen.FrozenDictionary<string, string>.Empty)
        {
            map[key] = value;
        }
    }

    private static DaprException Failed(string operation, RpcException e) =>
        new($"{operation} operation failed: the Dapr endpoint indicated a failure. See InnerException for details.", e);
}
