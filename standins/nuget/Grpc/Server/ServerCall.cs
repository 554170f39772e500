using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Grpc.AspNetCore.Server;

/// <summary>A call being served over one HTTP/2 stream.</summary>
internal sealed class ServerCall(HttpContext http, string method, GrpcServiceOptions options) : ServerCallContext
{
    private MessageReader? requests;
    private ResponseFrame? frame;
    private Metadata? requestHeaders;
    private Metadata? responseTrailers;
    private AuthContext? authContext;
    private ServerDeadline? deadline;
    private bool ended;

    public HttpContext Http => http;

    public bool DeadlineHasPassed => deadline?.HasPassed == true;

    public bool ClientHasGone => http.RequestAborted.IsCancellationRequested;

    protected override string MethodCore => method;

    protected override string HostCore => http.Request.Host.Value ?? "";

    protected override string PeerCore => http.Connection.RemoteIpAddress switch
    {
        { AddressFamily: AddressFamily.InterNetwork } ip => $"ipv4:{ip}:{http.Connection.RemotePort}",
        { AddressFamily: AddressFamily.InterNetworkV6 } ip => $"ipv6:[{ip}]:{http.Connection.RemotePort}",
        _ => "unknown",
    };

    protected override DateTime DeadlineCore => deadline?.At ?? DateTime.MaxValue;

    protected override Metadata RequestHeadersCore => requestHeaders ??= ReadRequestHeaders();

    protected override CancellationToken CancellationTokenCore => deadline?.Token ?? http.RequestAborted;

    protected override Metadata ResponseTrailersCore => responseTrailers ??= [];

    protected override Status StatusCore { get; set; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => authContext ??= new(null, []);

    /// <summary>Prepares the response and starts the clock of a call that has a deadline.</summary>
    public void Start()
    {
        http.Response.ContentType = Frame.ContentType;
        if (http.Request.Headers.GrpcTimeout is { Count: > 0 } text && GrpcTimeout.TryParse(text.ToString(), out var timeout))
        {
            deadline = new ServerDeadline(timeout, http.RequestAborted);
            deadline.Start(this);
        }
    }

    /// <summary>Lifts the limits meant for whole bodies: a stream may be long, and slow.</summary>
    public void ExpectStream()
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        if (http.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }
    }

    /// <summary>The one message of a call that has one.</summary>
    public async ValueTask<T> ReadOnlyAsync<T>(Marshaller<T> marshaller)
        where T : class
    {
        var message = await Requests().ReadAsync(marshaller, CancellationToken)
            ?? throw Frame.Failure(StatusCode.Internal, "Incomplete message.");
        return await Requests().ReadAsync(marshaller, CancellationToken) is null
            ? message
            : throw Frame.Failure(StatusCode.Internal, "Additional data after the message received.");
    }

    /// <returns>Null at the end.</returns>
    public async ValueTask<T?> ReadNextAsync<T>(Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        if (ended)
        {
            throw new InvalidOperationException("Can't read messages after the call has ended.");
        }

        if (!cancellationToken.CanBeCanceled || cancellationToken == CancellationToken)
        {
            return await Requests().ReadAsync(marshaller, CancellationToken);
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(CancellationToken, cancellationToken);
        return await Requests().ReadAsync(marshaller, either.Token);
    }

    /// <summary>The one message of a call that has one; it leaves together with the trailers.</summary>
    public async ValueTask WriteOnlyAsync<T>([NotNull] T? message, Marshaller<T> marshaller)
        where T : class
    {
        if (message is null)
        {
            throw Frame.Failure(StatusCode.Cancelled, "No message returned from method.");
        }

        if (Status.StatusCode != StatusCode.OK)
        {
            return;
        }

        await EnterAsync(CancellationToken.None);
        try
        {
            await WriteAsync(message, marshaller);
        }
        finally
        {
            deadline?.Gate.Release();
        }
    }

    public async ValueTask WriteNextAsync<T>(T message, Marshaller<T> marshaller, CancellationToken cancellationToken)
        where T : class
    {
        cancellationToken.ThrowIfCancellationRequested();
        CancellationToken.ThrowIfCancellationRequested();
        await EnterAsync(cancellationToken);
        try
        {
            await WriteAsync(message, marshaller);
            if ((WriteOptions?.Flags & WriteFlags.BufferHint) != WriteFlags.BufferHint)
            {
                await http.Response.BodyWriter.FlushAsync(cancellationToken.CanBeCanceled ? cancellationToken : CancellationToken);
            }
        }
        finally
        {
            deadline?.Gate.Release();
        }
    }

    public void Fail(RpcException e)
    {
        Status = e.Status;
        if (ReferenceEquals(e.Trailers, responseTrailers))
        {
            return;
        }

        foreach (var entry in e.Trailers)
        {
            ResponseTrailers.Add(entry);
        }
    }

    /// <summary>Sends status and trailers, unless the deadline has already.</summary>
    public async ValueTask EndAsync()
    {
        if (deadline is null)
        {
            End();
            return;
        }

        await deadline.Gate.WaitAsync();
        try
        {
            End();
        }
        finally
        {
            deadline.Gate.Release();
            deadline.Dispose();
        }
    }

    /// <summary>Answers at once, even if the method does not look at its token and runs on.</summary>
    public async Task EndByDeadlineAsync()
    {
        await deadline!.Gate.WaitAsync();
        try
        {
            if (!ended)
            {
                End();
                await http.Response.CompleteAsync();
            }
        }
        catch (Exception) when (ClientHasGone)
        {
            // Nobody is left to be told.
        }
        finally
        {
            deadline.Gate.Release();
        }
    }

    protected override async Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        ArgumentNullException.ThrowIfNull(responseHeaders);
        if (http.Response.HasStarted)
        {
            throw new InvalidOperationException("Response headers can only be sent once per call.");
        }

        await EnterAsync(CancellationToken.None);
        try
        {
            StatusHeaders.Write(http.Response.Headers, responseHeaders);
            await http.Response.BodyWriter.FlushAsync(CancellationToken);
        }
        finally
        {
            deadline?.Gate.Release();
        }
    }

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) =>
        throw new NotImplementedException("This server does not make propagation tokens.");

    private MessageReader Requests() => requests ??= new(
        http.Request.BodyReader, http.Request.Headers.GrpcEncoding, options.MaxReceiveMessageSize);

    /// <summary>Only a deadline can end a call beside its method, so only then is there a gate to pass.</summary>
    private async ValueTask EnterAsync(CancellationToken cancellationToken)
    {
        if (deadline is not null)
        {
            await deadline.Gate.WaitAsync(cancellationToken);
        }
    }

    private async ValueTask WriteAsync<T>(T message, Marshaller<T> marshaller)
    {
        if (ended)
        {
            throw new InvalidOperationException("Can't write the message because the call has ended.");
        }

        if (!http.Response.HasStarted)
        {
            await http.Response.StartAsync();
        }

        frame ??= new(http.Response.BodyWriter, options.MaxSendMessageSize);
        frame.Write(message, marshaller);
    }

    private void End()
    {
        if (ended)
        {
            return;
        }

        ended = true;
        if (DeadlineHasPassed)
        {
            Status = new Status(StatusCode.DeadlineExceeded, "Deadline Exceeded");
        }

        var trailers = http.Response.HasStarted
            ? ((IHttpResponseTrailersFeature)http.Features[typeof(IHttpResponseTrailersFeature)]!).Trailers
            : http.Response.Headers;
        StatusHeaders.Write(trailers, Status);
        if (responseTrailers is not null)
        {
            StatusHeaders.Write(trailers, responseTrailers);
        }
    }

    private Metadata ReadRequestHeaders()
    {
        var headers = new Metadata();
        foreach (var (name, values) in http.Request.Headers)
        {
            if (!MetadataHeaders.IsReserved(name))
            {
                foreach (var value in values)
                {
                    MetadataHeaders.Add(headers, name, value ?? "");
                }
            }
        }

        return headers;
    }
}
