using System.Net;

namespace Bench;

/// <summary>A Zipkin endpoint that drops all spans, to measure the cost of making and sending them.</summary>
internal sealed class TraceSink : IDisposable
{
    private readonly HttpListener listener = new();
    private long requests;

    public TraceSink(int port)
    {
        Endpoint = $"http://localhost:{port}/api/v2/spans";
        listener.Prefixes.Add($"http://localhost:{port}/");
        listener.Start();
        _ = ServeAsync();
    }

    public string Endpoint { get; }

    /// <summary>Number of requests received; each is a batch of spans.</summary>
    public long Requests => Interlocked.Read(ref requests);

    public void Dispose() => listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true) _ = AcceptAsync(await listener.GetContextAsync());
        }
        catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
        {
        }
    }

    private async Task AcceptAsync(HttpListenerContext context)
    {
        await context.Request.InputStream.CopyToAsync(Stream.Null);
        Interlocked.Increment(ref requests);
        context.Response.StatusCode = (int)HttpStatusCode.Accepted;
        context.Response.Close();
    }
}
