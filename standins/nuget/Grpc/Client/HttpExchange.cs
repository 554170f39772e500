using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Wire;

namespace Grpc.Net.Client;

/// <summary>An exchange that HttpClient carries: over TLS, or by a handler or a client that the caller has given.</summary>
internal sealed class HttpExchange : Exchange
{
    private readonly CancellationTokenSource source;
    private readonly HttpRequestMessage request;
    private readonly RequestStreamContent? requests;
    private readonly Task answered;
    private HttpResponseMessage? response;
    private PipeReader? body;
    private Fields? headers;

    /// <param name="address">Of the server.</param>
    /// <param name="only">The one message to send. Null: they will be written one by one.</param>
    /// <param name="channelDisposed">Cancels what is under way.</param>
    public HttpExchange(HttpMessageInvoker http, Uri address, RequestHead head, PooledFrame? only, CancellationToken channelDisposed)
    {
        source = CancellationTokenSource.CreateLinkedTokenSource(channelDisposed);
        Cancelled = source.Token;
        request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, head.Path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = only is null ? requests = new RequestStreamContent() : new RequestContent(only),
        };
        if (head.Authority != address.Authority)
        {
            request.Headers.Host = head.Authority;
        }

        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation("User-Agent", GrpcChannel.UserAgent);
        request.Headers.TryAddWithoutValidation(Frame.AcceptEncodingHeader, Frame.Encodings);
        if (head.Timeout is { } timeout)
        {
            request.Headers.TryAddWithoutValidation(GrpcTimeout.Header, GrpcTimeout.Format(timeout));
        }

        for (var i = 0; i < head.Metadata?.Count; i++)
        {
            request.Headers.TryAddWithoutValidation(head.Metadata[i].Key, MetadataHeaders.Encode(head.Metadata[i]));
        }

        answered = SendAsync(http);
    }

    public override Fields Headers => headers ??= response is null ? Fields.None : FieldsOf(response.Headers, response.Content.Headers, response.StatusCode);

    public override Fields Trailers => FieldsOf(response!.TrailingHeaders);

    public override PipeReader Body => body!;

    public override CancellationToken Cancelled { get; }

    public override ValueTask AnsweredAsync() => new(answered);

    public override Task HeadersAsync() => answered;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, bool flush)
    {
        var stream = await requests!.Opened.ConfigureAwait(false)
            ?? throw new IOException("The call ended before a message could be written.");
        await stream.WriteAsync(bytes, Cancelled).ConfigureAwait(false);
        if (flush)
        {
            await stream.FlushAsync(Cancelled).ConfigureAwait(false);
        }
    }

    public override void Complete() => requests!.Complete();

    public override void Cancel()
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Meanwhile the call has ended.
        }
    }

    public override void Dispose()
    {
        requests?.End();
        response?.Dispose();
        request.Dispose();
        source.Dispose();
    }

    private async Task SendAsync(HttpMessageInvoker http)
    {
        response = http is HttpClient client
            ? await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancelled).ConfigureAwait(false)
            : await http.SendAsync(request, Cancelled).ConfigureAwait(false);
        body = PipeReader.Create(response.Content.ReadAsStream(Cancelled));
    }

    private static Fields FieldsOf(HttpHeaders headers, HttpHeaders? content = null, HttpStatusCode? status = null)
    {
        var fields = new List<(string, string)>();
        if (status is { } code)
        {
            fields.Add((":status", $"{(int)code}"));
        }

        foreach (var of in content is null ? [headers] : new[] { headers, content })
        {
            foreach (var (name, values) in of.NonValidated)
            {
                foreach (var value in values)
                {
                    fields.Add((name, value));
                }
            }
        }

        return new Fields([.. fields]);
    }
}
