using System.IO.Compression;
using System.Net;
using Google.Protobuf;
using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

/// <summary>What no decent client sends.</summary>
public class HandWrittenFrames
{
    private static readonly byte[] Empty = [0, 0, 0, 0, 0];

    [Fact]
    public async Task A_well_made_frame_is_answered() => Assert.Equal((StatusCode.OK, ""), await SendAsync(Empty));

    [Theory]
    [InlineData(new byte[] { })]
    [InlineData(new byte[] { 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0, 9, 1, 2 })]
    public async Task A_frame_that_ends_too_soon_is_internal(byte[] body) =>
        Assert.Equal((StatusCode.Internal, "Incomplete message."), await SendAsync(body));

    [Fact]
    public async Task A_second_frame_where_one_was_due_is_internal() =>
        Assert.Equal((StatusCode.Internal, "Additional data after the message received."), await SendAsync([.. Empty, .. Empty]));

    [Fact]
    public async Task A_length_over_the_limit_exhausts_a_resource_before_the_message_is_read() =>
        Assert.Equal(StatusCode.ResourceExhausted, (await SendAsync([0, 0xff, 0xff, 0xff, 0xff])).Code);

    [Fact]
    public async Task An_unknown_flag_is_internal() => Assert.Equal(StatusCode.Internal, (await SendAsync([2, 0, 0, 0, 0])).Code);

    [Fact]
    public async Task Bytes_that_are_no_message_are_internal() =>
        Assert.Equal(StatusCode.Internal, (await SendAsync([0, 0, 0, 0, 1, 0xff])).Code);

    [Theory]
    [InlineData(null, StatusCode.Internal)]
    [InlineData("identity", StatusCode.Internal)]
    [InlineData("snappy", StatusCode.Unimplemented)]
    [InlineData("gzip", StatusCode.Internal)]
    public async Task A_compressed_frame_needs_an_encoding_that_is_known_and_true(string? encoding, StatusCode expected) =>
        Assert.Equal(expected, (await SendAsync([1, 0, 0, 0, 1, 42], encoding)).Code);

    [Fact]
    public async Task An_unknown_encoding_is_answered_with_the_known_ones()
    {
        await using var server = await TestServer.StartAsync();
        using var http = new HttpClient();

        using var response = await http.SendAsync(Request(server, "Unary", [1, 0, 0, 0, 1, 42], "snappy"));

        Assert.Equal("identity,gzip", response.Headers.GetValues("grpc-accept-encoding").Single());
    }

    [Fact]
    public async Task A_message_in_gzip_is_understood()
    {
        var message = Gzip(new Ask { Status = (int)StatusCode.AlreadyExists }.ToByteArray());

        Assert.Equal(StatusCode.AlreadyExists, (await SendAsync([1, 0, 0, 0, (byte)message.Length, .. message], "gzip")).Code);
    }

    [Fact]
    public async Task A_message_over_the_limit_once_unpacked_exhausts_a_resource()
    {
        var message = Gzip(new byte[5 * 1024 * 1024]);
        byte[] header = [1, 0, 0, (byte)(message.Length >> 8), (byte)message.Length];

        Assert.Equal(StatusCode.ResourceExhausted, (await SendAsync([.. header, .. message], "gzip")).Code);
    }

    [Theory]
    [InlineData("application/json", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpc-web", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpc+proto", HttpStatusCode.OK)]
    public async Task Another_content_type_is_not_supported(string type, HttpStatusCode expected)
    {
        await using var server = await TestServer.StartAsync();
        using var http = new HttpClient();
        var request = Request(server, "Unary", Empty);
        request.Content!.Headers.Remove("Content-Type");
        request.Content.Headers.Add("Content-Type", type);

        using var response = await http.SendAsync(request);

        Assert.Equal(expected, response.StatusCode);
    }

    [Fact]
    public async Task A_server_answers_at_the_deadline_even_if_its_method_runs_on()
    {
        await using var server = await TestServer.StartAsync();
        using var http = new HttpClient();
        var released = new TaskCompletionSource();
        server.Script.Empty = async (message, _) =>
        {
            await released.Task;
            return message;
        };
        var request = Request(server, "Empty", Empty);
        request.Headers.Add("grpc-timeout", "50m");

        using var response = await http.SendAsync(request);
        released.SetResult();

        Assert.Equal((StatusCode.DeadlineExceeded, "Deadline Exceeded"), Status(response));
    }

    private static async Task<(StatusCode Code, string Message)> SendAsync(byte[] body, string? encoding = null)
    {
        await using var server = await TestServer.StartAsync();
        using var http = new HttpClient();
        using var response = await http.SendAsync(Request(server, "Unary", body, encoding));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return Status(response);
    }

    private static (StatusCode Code, string Message) Status(HttpResponseMessage response)
    {
        var headers = response.Headers.Contains("grpc-status") ? response.Headers : response.TrailingHeaders;
        return (
            (StatusCode)int.Parse(headers.GetValues("grpc-status").Single()),
            Uri.UnescapeDataString(headers.TryGetValues("grpc-message", out var message) ? message.Single() : ""));
    }

    private static HttpRequestMessage Request(TestServer server, string method, byte[] body, string? encoding = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.Address, $"/standins.interop.Interop/{method}"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.Add("Content-Type", "application/grpc");
        if (encoding is not null)
        {
            request.Headers.Add("grpc-encoding", encoding);
        }

        return request;
    }

    private static byte[] Gzip(byte[] bytes)
    {
        var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return compressed.ToArray();
    }
}
