namespace Grpc.AspNetCore.HealthChecks;

public sealed class GrpcHealthChecksOptions
{
    /// <summary>Which health checks decide about which service name. The empty name, the server as a whole, has them all.</summary>
    public ServiceMappingCollection Services { get; } = new();

    /// <summary>False, the default: Check runs the health checks. True: it gives the result they were last published with.</summary>
    public bool UseHealthChecksCache { get; set; }
}
