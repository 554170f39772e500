using Grpc.Wire;

namespace Grpc.AspNetCore.Server;

/// <summary>Options of all gRPC services of an application.</summary>
public class GrpcServiceOptions
{
    /// <summary>Bytes of a received message, after decompression. Default 4 MB; null: no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = Frame.DefaultMaxLength;

    /// <summary>Bytes of a sent message. Default null: no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>True: the client is told what exception a method threw. Default: it is told that there was one.</summary>
    public bool? EnableDetailedErrors { get; set; }

    /// <summary>True: a call to an unknown service or method is left to other endpoints. Default: it is answered UNIMPLEMENTED.</summary>
    public bool? IgnoreUnknownServices { get; set; }

    /// <summary>The first one added is asked first.</summary>
    public InterceptorCollection Interceptors { get; } = [];
}
