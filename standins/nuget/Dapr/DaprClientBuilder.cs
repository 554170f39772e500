using System.Text.Json;
using Grpc.Net.Client;

namespace Dapr.Client;

/// <summary>What is not said is taken from the environment.</summary>
public sealed class DaprClientBuilder
{
    private string grpcEndpoint = DaprEnvironment.GrpcEndpoint;
    private string httpEndpoint = DaprEnvironment.HttpEndpoint;
    private string? apiToken = DaprEnvironment.ApiToken;
    private JsonSerializerOptions json = new(JsonSerializerDefaults.Web);
    private GrpcChannelOptions channelOptions = new() { ThrowOperationCanceledOnCancellation = true };

    /// <summary>Where the sidecar answers health checks.</summary>
    public DaprClientBuilder UseHttpEndpoint(string httpEndpoint)
    {
        ArgumentException.ThrowIfNullOrEmpty(httpEndpoint);
        this.httpEndpoint = httpEndpoint;
        return this;
    }

    /// <summary>Where the sidecar does everything else.</summary>
    public DaprClientBuilder UseGrpcEndpoint(string grpcEndpoint)
    {
        ArgumentException.ThrowIfNullOrEmpty(grpcEndpoint);
        this.grpcEndpoint = grpcEndpoint;
        return this;
    }

    public DaprClientBuilder UseJsonSerializationOptions(JsonSerializerOptions options)
    {
        json = options;
        return this;
    }

    /// <summary>Replaces all options, also the one by which cancelled operations throw <see cref="OperationCanceledException"/>.</summary>
    public DaprClientBuilder UseGrpcChannelOptions(GrpcChannelOptions grpcChannelOptions)
    {
        channelOptions = grpcChannelOptions;
        return this;
    }

    public DaprClientBuilder UseDaprApiToken(string apiToken)
    {
        this.apiToken = apiToken;
        return this;
    }

    /// <exception cref="InvalidOperationException">An endpoint starts with neither http:// nor https://.</exception>
    public DaprClient Build() => new SidecarClient(
        GrpcChannel.ForAddress(Checked(grpcEndpoint, "gRPC"), channelOptions),
        Checked(httpEndpoint, "HTTP"),
        json,
        string.IsNullOrWhiteSpace(apiToken) ? null : apiToken);

    private static Uri Checked(string endpoint, string which)
    {
        var uri = new Uri(endpoint);
        return uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps
            ? uri
            : throw new InvalidOperationException($"The {which} endpoint must use http or https.");
    }
}
