using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using StandIns.Interop;

namespace StandIns.GrpcTests;

/// <summary>By HTTP/2 connections of the channel's own, as to every http address.</summary>
public sealed class ForeignServers(GrpcJsServer server) : CallsToForeignServers(server), IClassFixture<GrpcJsServer>
{
    private protected override GrpcChannel Open() => GrpcChannel.ForAddress(Server.Address);
}

/// <summary>By a handler of the caller's.</summary>
public sealed class ForeignServersByHttpClient(GrpcJsServer server) : CallsToForeignServers(server), IClassFixture<GrpcJsServer>
{
    private protected override GrpcChannel Open() =>
        GrpcChannel.ForAddress(Server.Address, new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler(), DisposeHttpClient = true });
}

/// <summary>Our client calls servers that nobody here wrote.</summary>
public abstract class CallsToForeignServers : IDisposable
{
    private static readonly int[] Sizes = [31_415, 9, 2_653, 58_979];

    private readonly GrpcChannel channel;
    private readonly Interop.Interop.InteropClient client;

    protected CallsToForeignServers(GrpcJsServer server)
    {
        Server = server;
        channel = Open();
        client = new Interop.Interop.InteropClient(channel);
    }

    private protected GrpcJsServer Server { get; }

    private protected abstract GrpcChannel Open();

    public void Dispose() => channel.Dispose();

    [Fact]
    public async Task Grpc_js_answers_an_empty_unary_call() => Assert.Equal(new Nothing(), await client.EmptyAsync(new Nothing()));

    [Fact]
    public async Task Grpc_js_answers_a_large_unary_call() =>
        Assert.Equal(314_159, (await client.UnaryAsync(Large)).Payload.Length);

    [Fact]
    public async Task Grpc_js_collects_a_stream_of_asks()
    {
        using var call = client.Collect();
        foreach (var size in Sizes)
        {
            await call.RequestStream.WriteAsync(new Ask { Payload = Blob(size) });
        }

        await call.RequestStream.CompleteAsync();

        Assert.Equal(Sizes.Sum(), (await call).ReceivedBytes);
    }

    [Fact]
    public async Task Grpc_js_streams_answers_in_order()
    {
        using var call = client.Stream(new Ask { AnswerBytes = { Sizes } });

        var received = await call.ResponseStream.ReadAllAsync().Select(answer => answer.Payload.Length).ToArrayAsync();

        Assert.Equal(Sizes, received);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task Grpc_js_takes_turns()
    {
        using var call = client.Converse();
        foreach (var size in Sizes)
        {
            await call.RequestStream.WriteAsync(new Ask { Payload = Blob(size), AnswerBytes = { size } });
            Assert.True(await call.ResponseStream.MoveNext());
            Assert.Equal(size, call.ResponseStream.Current.Payload.Length);
        }

        await call.RequestStream.CompleteAsync();

        Assert.False(await call.ResponseStream.MoveNext());
    }

    [Fact]
    public async Task Grpc_js_ends_an_empty_stream()
    {
        using var call = client.Converse();

        await call.RequestStream.CompleteAsync();

        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_call_to_grpc_js_can_be_cancelled_before_its_first_ask()
    {
        using var cancellation = new CancellationTokenSource();
        using var call = client.Collect(cancellationToken: cancellation.Token);

        await cancellation.CancelAsync();

        Assert.Equal(StatusCode.Cancelled, await FailureAsync(call.ResponseAsync));
    }

    [Fact]
    public async Task A_call_to_grpc_js_can_be_cancelled_after_its_first_answer_and_grpc_js_notices()
    {
        using var cancellation = new CancellationTokenSource();
        using var call = client.Converse(new Metadata { { "x-test-name", "after-the-first-answer" } }, cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(new Ask { AnswerBytes = { 31_415 } });
        Assert.True(await call.ResponseStream.MoveNext());

        await cancellation.CancelAsync();

        Assert.Equal(StatusCode.Cancelled, await FailureAsync(call.ResponseStream.MoveNext()));
        await Server.LineAsync("cancelled after-the-first-answer");
    }

    [Fact]
    public async Task A_sleeping_grpc_js_server_does_not_hold_a_call_past_its_deadline()
    {
        using var call = client.Converse(
            new Metadata { { "x-test-name", "past-its-deadline" } }, deadline: DateTime.UtcNow.AddMilliseconds(300));

        Assert.Equal(StatusCode.DeadlineExceeded, await FailureAsync(call.ResponseStream.MoveNext()));
        await Server.LineAsync("cancelled past-its-deadline");
    }

    [Theory]
    [InlineData("test status message")]
    [InlineData("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")]
    public async Task The_status_of_grpc_js_arrives_with_its_message(string message)
    {
        var ask = new Ask { Status = (int)StatusCode.Unknown, StatusMessage = message };
        using var call = client.Converse();
        await call.RequestStream.WriteAsync(ask);

        var unary = await Assert.ThrowsAsync<RpcException>(async () => await client.UnaryAsync(ask));
        var duplex = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext());

        Assert.Equal((StatusCode.Unknown, message), (unary.StatusCode, unary.Status.Detail));
        Assert.Equal((StatusCode.Unknown, message), (duplex.StatusCode, duplex.Status.Detail));
    }

    [Fact]
    public async Task What_grpc_js_does_not_implement_is_unimplemented()
    {
        Assert.Equal(StatusCode.Unimplemented, await FailureAsync(client.UnimplementedAsync(new Nothing()).ResponseAsync));
        Assert.Equal(
            StatusCode.Unimplemented, await FailureAsync(new Absent.AbsentClient(channel).CallAsync(new Nothing()).ResponseAsync));
    }

    [Fact]
    public async Task Grpc_js_echoes_headers_and_binary_trailers()
    {
        byte[] bytes = [0xab, 0xab, 0xab, 0x00, 0xff];
        var headers = new Metadata { { "x-grpc-test-echo-initial", "test_initial_metadata_value" }, { "x-grpc-test-echo-trailing-bin", bytes } };

        using var call = client.UnaryAsync(new Ask { AnswerBytes = { 1 } }, headers);
        await call;

        Assert.Equal("test_initial_metadata_value", (await call.ResponseHeadersAsync).GetValue("x-grpc-test-echo-initial"));
        Assert.Equal(bytes, call.GetTrailers().GetValueBytes("x-grpc-test-echo-trailing-bin"));
    }

    [Fact]
    public async Task Grpc_js_may_write_header_fields_in_every_code_that_there_is()
    {
        // It writes in Huffman's code what that makes shorter: so each character comes among many that are short.
        var values = Enumerable.Range(' ' + 1, '~' - ' ').Select(c => $"{new string('0', 40)}{(char)c}{new string('e', 40)}").ToList();

        foreach (var value in values.Concat(values))
        {
            using var call = client.UnaryAsync(new Ask(), new Metadata { { "x-grpc-test-echo-initial", value } });
            Assert.Equal(value, (await call.ResponseHeadersAsync).GetValue("x-grpc-test-echo-initial"));
            await call;
        }
    }

    [Fact]
    public async Task Answers_that_the_C_core_compresses_are_understood()
    {
        await using var compressing = new ForeignPeer("/usr/bin/python3", "python/compressing_server.py");
        await compressing.InitializeAsync();
        using var call = new Interop.Interop.InteropClient(compressing.Channel).UnaryAsync(new Ask());
        using var listening = compressing.Listen();
        using var heard = new Interop.Interop.InteropClient(listening).UnaryAsync(new Ask());

        Assert.Equal(314_159, (await call).Payload.Length);
        Assert.Equal(314_159, (await heard).Payload.Length);
        Assert.Equal("gzip", compressing.LastEncoding);
    }

    private static Ask Large => new() { Payload = Blob(271_828), AnswerBytes = { 314_159 } };

    private static ByteString Blob(int size) => ByteString.CopyFrom(new byte[size]);

    private static async Task<StatusCode> FailureAsync(Task call) => (await Assert.ThrowsAsync<RpcException>(() => call)).StatusCode;
}
