using Grpc.Wire;

namespace Grpc.Net.Client;

public sealed class GrpcChannelOptions
{
    /// <summary>Bytes of a sent message. Default null: no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>Bytes of a received message, after decompression. Default 4 MB; null: no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = Frame.DefaultMaxLength;

    /// <summary>Used instead of a handler of the channel's own. Not together with <see cref="HttpClient"/>.</summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Used instead of a client of the channel's own. Its timeout applies to every call.</summary>
    public HttpClient? HttpClient { get; set; }

    /// <summary>True: disposing of the channel disposes of the given client or handler too.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>
    /// True: a call given up by its token or its deadline throws <see cref="OperationCanceledException"/>, not an RpcException.
    /// </summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }
}
