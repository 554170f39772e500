using System.Net;

namespace Bench;

/// <summary>A Zipkin that takes every span and keeps none: traces cost what they cost to make and to send.</summary>
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

    /// <summary>Batches of spans that came.</summary>
    public long Requests => Interlocked.Read(ref requests);

    public void Dispose() => listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true) _ = TakeAsync(await listener.GetContextAsync());
        }
        catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
        {
        }
    }

    private async Task TakeAsync(HttpListenerContext call)
    {
        await call.Request.InputStream.CopyToAsync(Stream.Null);
        Interlocked.Increment(ref requests);
        call.Response.StatusCode = (int)HttpStatusCode.Accepted;
        call.Response.Close();
    }
}
