using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Saga.Tests;

/// <summary>A call of a gRPC method by a client on this machine.</summary>
/// <param name="caller">Null: callers are not authenticated.</param>
internal sealed class Call(string method, Caller? caller = null, CancellationToken cancelled = default) : ServerCallContext
{
    /// <summary>Where GetHttpContext finds the request.</summary>
    protected override IDictionary<object, object> UserStateCore { get; } =
        new Dictionary<object, object> { ["__HttpContext"] = new DefaultHttpContext { User = (caller ?? Caller.Anyone).ToPrincipal("test") } };

    protected override string MethodCore => method;

    protected override string HostCore => "localhost";

    protected override string PeerCore => "ipv4:127.0.0.1:1";

    protected override DateTime DeadlineCore => DateTime.MaxValue;

    protected override Metadata RequestHeadersCore => [];

    protected override CancellationToken CancellationTokenCore => cancelled;

    protected override Metadata ResponseTrailersCore => [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => new(null, []);

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
}
