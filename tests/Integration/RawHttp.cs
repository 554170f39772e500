using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Integration;

/// <summary>HTTP requests byte by byte, as no well-behaved client sends them.</summary>
internal static class RawHttp
{
    /// <param name="headers">Host is localhost unless it is one of them.</param>
    /// <returns>The whole answer: status line, headers and body.</returns>
    public static Task<string> SendAsync(int port, string method, string path, string[] headers, byte[] body)
    {
        var host = headers.Any(header => header.StartsWith("Host:", StringComparison.Ordinal)) ? "" : "Host: localhost\r\n";
        var head = $"{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {body.Length}\r\n{string.Concat(headers.Select(header => $"{header}\r\n"))}\r\n";
        return SendAsync(port, [.. Encoding.UTF8.GetBytes(head), .. body]);
    }

    /// <param name="request">Request line, headers and body.</param>
    public static async Task<string> SendAsync(int port, byte[] request)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", port, limit.Token);
        var stream = client.GetStream();
        try
        {
            await stream.WriteAsync(request, limit.Token);
        }
        catch (IOException)
        {
            // A body that is too large is refused before it is read.
        }
        using var answer = new StreamReader(stream, Encoding.UTF8);
        return await answer.ReadToEndAsync(limit.Token);
    }

    /// <param name="detail">What the problem details say, among other things.</param>
    public static void AssertProblem(string answer, int status, string detail, string what)
    {
        Assert.True(answer.StartsWith($"HTTP/1.1 {status} ", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.Contains("application/problem+json", answer);
        var problem = JsonDocument.Parse(answer[answer.IndexOf('{')..(answer.LastIndexOf('}') + 1)]).RootElement;
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.Contains(detail, problem.ToString());
        Assert.DoesNotContain("   at ", answer);
    }

    public static void AssertHead(string answer, string contentType)
    {
        Assert.StartsWith("HTTP/1.1 200", answer);
        Assert.Contains(contentType, answer);
        Assert.EndsWith("\r\n\r\n", answer);
    }
}
