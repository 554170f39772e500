using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server;

/// <summary>What AddGrpc() registers and MapGrpcService asks for: what every method endpoint of this application shares.</summary>
internal sealed class MappedServices(IOptions<GrpcServiceOptions> options, ILoggerFactory loggers)
{
    private int unknownServices;

    public GrpcServiceOptions Options => options.Value;

    public InterceptorPipeline Interceptors { get; } = new(options.Value.Interceptors);

    public ILogger Log { get; } = loggers.CreateLogger("Grpc.AspNetCore.Server.ServerCallHandler");

    /// <summary>True the first time only: one endpoint answers for all services that are not there.</summary>
    public bool ClaimUnknownServices() => Interlocked.Exchange(ref unknownServices, 1) == 0;
}
