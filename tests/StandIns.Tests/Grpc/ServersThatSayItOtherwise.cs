using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using StandIns.Interop;
using static StandIns.GrpcTests.Http2Frames;

namespace StandIns.GrpcTests;

/// <summary>Our client and all that HTTP/2 leaves to a server: how it cuts its frames, names its header fields, and what it allows.</summary>
public class ServersThatSayItOtherwise
{
    private static readonly byte[] Empty = [0, 0, 0, 0, 0];

    [Fact]
    public async Task An_answer_may_be_padded_cut_into_pieces_and_come_among_frames_that_nobody_knows()
    {
        var headers = Fields((":status", "200"), ("content-type", "application/grpc"));
        await using var server = new HandWrittenServer(async call =>
        {
            await call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, Fields((":status", "103"), ("link", "early")));
            await call.Frames.WriteAsync(0xfa, 0xff, call.Stream, [1, 2, 3]);
            await call.Frames.WriteAsync(Headers, Padded | Priority, call.Stream, [2, 0, 0, 0, 0, 16, .. headers[..7], 0, 0]);
            await call.Frames.WriteAsync(Continuation, 0, call.Stream, headers[7..9]);
            await call.Frames.WriteAsync(Continuation, EndHeaders, call.Stream, headers[9..]);
            await call.Frames.WriteAsync(Ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]);
            await call.Frames.WriteAsync(Data, Padded, call.Stream, [3, 0, 0, 0, 0, 0, 0]);
            await call.Frames.WriteAsync(Settings, 0, 0, Setting(3, 1000));
            await call.Frames.WriteAsync(Data, Padded, call.Stream, [200, 0, 0, .. new byte[200]]);
            await call.Frames.WriteAsync(Headers, EndStream, call.Stream, [0]);
            await call.Frames.WriteAsync(Continuation, EndHeaders, call.Stream, Fields(("grpc-status", "0"))[1..]);
        });

        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));

        // The second call's end came after the first one's ping was answered.
        Assert.InRange(server.Pongs, 1, 2);
        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public async Task A_server_may_have_its_header_fields_remembered_and_forgotten()
    {
        byte[] remembered = [0x48, 3, .. "200"u8, 0x40, 1, .. "a"u8, 1, .. "1"u8, 0x5f, 16, .. "application/grpc"u8];
        byte[] recalled = [.. Indexed(2), .. Indexed(1), .. Indexed(0)];
        byte[][] ways = [remembered, recalled, recalled, [0x20, 0x3f, 0xe1, 0x1f, .. remembered], recalled, [0x8, 3, .. "200"u8, 0x7f, 0, 1, .. "2"u8, 0xbf]];
        var next = 0;
        await using var server = new HandWrittenServer(async call =>
        {
            await call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, ways[next++]);
            await call.BodyAsync(Empty);
            await call.TrailersAsync(("grpc-status", "0"));
        });

        for (var i = 0; i < ways.Length; i++)
        {
            using var call = server.Client.EmptyAsync(new Nothing());
            Assert.Equal(i < ways.Length - 1 ? "1" : "2", (await call.ResponseHeadersAsync).GetValue("a"));
            await call;
        }

        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public async Task A_server_may_want_a_request_in_small_pieces()
    {
        await using var server = new HandWrittenServer(call => call.AnswerAsync(), Setting(4, 3));
        await server.Client.EmptyAsync(new Nothing());

        await server.Client.UnaryAsync(new Ask { Payload = ByteString.CopyFrom(new byte[1000]) });
        using var call = server.Client.Collect();
        await call.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[1000]) });
        await call.RequestStream.CompleteAsync();
        await call;

        // What is sent before the window is known is a matter of taste.
        Assert.InRange(server.LongestPiece, 3, 5);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public async Task More_calls_than_a_connection_may_have_go_over_more_connections(int limit)
    {
        const int calls = 20;
        await using var server = await TestServer.StartAsync(services: services =>
            services.Configure<KestrelServerOptions>(kestrel => kestrel.Limits.Http2.MaxStreamsPerConnection = limit));
        var left = calls;
        var all = new TaskCompletionSource();
        server.Script.Empty = async (request, _) =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                all.SetResult();
            }

            await all.Task;
            return request;
        };

        await Task.WhenAll(Enumerable.Range(0, calls).Select(async _ => await server.Client.EmptyAsync(new Nothing())));
    }

    [Fact]
    public async Task A_server_need_not_remember_header_fields()
    {
        await using var server = await TestServer.StartAsync(services: services =>
            services.Configure<KestrelServerOptions>(kestrel => kestrel.Limits.Http2.HeaderTableSize = 0));

        for (var i = 0; i < 3; i++)
        {
            await server.Client.EmptyAsync(new Nothing());
            await server.Client.UnaryAsync(new Ask());
        }
    }

    [Fact]
    public async Task More_names_than_a_server_remembers_are_said_right()
    {
        await using var server = await TestServer.StartAsync();
        var asked = "";
        server.Script.Empty = (request, context) =>
        {
            asked = context.Host;
            return Task.FromResult(request);
        };

        foreach (var host in Enumerable.Range(0, 300).Select(i => $"host-{i}.test").SelectMany(host => new[] { host, host, "again.test" }))
        {
            await server.Client.WithHost(host).EmptyAsync(new Nothing());
            Assert.Equal(host, asked);
        }
    }

    [Fact]
    public async Task Metadata_may_be_longer_than_a_frame()
    {
        await using var server = await TestServer.StartAsync();
        var values = "abc".Select(letter => new string(letter, 8000)).ToList();
        List<string>? seen = null;
        server.Script.Empty = (request, context) =>
        {
            seen = [.. context.RequestHeaders.GetAll("x-long").Select(entry => entry.Value)];
            return Task.FromResult(request);
        };
        var metadata = new Metadata();
        values.ForEach(value => metadata.Add("x-long", value));

        await server.Client.EmptyAsync(new Nothing(), metadata);

        Assert.Equal(values, seen);
    }

    [Fact]
    public async Task Metadata_that_is_no_ASCII_text_is_not_sent()
    {
        await using var server = await TestServer.StartAsync();

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing(), new Metadata { { "x-text", "naïve" } }));

        Assert.Equal(StatusCode.Internal, e.StatusCode);
    }

    [Fact]
    public async Task A_server_that_speaks_only_HTTP_1_is_told_apart()
    {
        await using var server = await TestServer.StartAsync(services: services =>
            services.PostConfigure<KestrelServerOptions>(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1)));

        using var channel = GrpcChannel.ForAddress(server.Addresses.Last());
        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing()));

        Assert.Equal(StatusCode.Internal, e.StatusCode);
        Assert.Contains("HTTP", e.Status.Detail);
    }

    [Fact]
    public async Task A_call_on_a_connection_that_goes_away_is_cancelled_with_its_channel()
    {
        var gone = new TaskCompletionSource();
        await using var server = new HandWrittenServer(async call =>
        {
            await call.HeadersAsync();
            await call.GoAwayAsync(last: call.Stream);
            gone.SetResult();
        });
        using var call = server.Client.EmptyAsync(new Nothing());
        await call.ResponseHeadersAsync;
        await gone.Task;

        server.Channel.Dispose();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
    }

    public static TheoryData<string> Offences() => [.. Offence.Keys];

    /// <summary>The call fails at once, and the next one goes over a connection that is in order.</summary>
    [Theory]
    [MemberData(nameof(Offences))]
    public async Task What_a_server_may_not_say_ends_the_call_and_not_the_channel(string offence)
    {
        var done = false;
        await using var server = new HandWrittenServer(async call =>
        {
            if (done)
            {
                await call.AnswerAsync();
                return;
            }

            done = true;
            try
            {
                await Offence[offence](call);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The client did not wait for the end of it.
            }
        });

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()));

        Assert.NotEqual(StatusCode.OK, e.StatusCode);
        Assert.Equal(new Nothing(), await server.Client.EmptyAsync(new Nothing()));
    }

    private static Dictionary<string, Func<HandWrittenCall, Task>> Offence => new()
    {
        ["an answer to a call that nobody made"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream + 2, Fields((":status", "200"))),
        ["an answer on the connection itself"] = call => call.Frames.WriteAsync(Data, 0, 0, [1]),
        ["a push"] = call => call.Frames.WriteAsync(PushPromise, EndHeaders, call.Stream, [0, 0, 0, 2]),
        ["a frame that is too long"] = call => call.Frames.WriteAsync(Data, 0, call.Stream, new byte[16_385]),
        ["a frame that is too short"] = call => call.Frames.WriteAsync(RstStream, 0, call.Stream, [1]),
        ["settings cut off"] = call => call.Frames.WriteAsync(Settings, 0, 0, [1, 2, 3]),
        ["a window that is too large"] = call => call.Frames.WriteAsync(WindowUpdate, 0, 0, Number(int.MaxValue)),
        ["all padding"] = async call =>
        {
            await call.HeadersAsync();
            await call.Frames.WriteAsync(Data, Padded, call.Stream, [9, 0, 0]);
        },
        ["a body without headers"] = call => call.BodyAsync(Empty),
        ["headers without a status"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, Fields(("content-type", "application/grpc"))),
        ["two sets of trailers"] = async call =>
        {
            await call.HeadersAsync();
            await call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, Fields(("grpc-status", "0")));
        },
        ["a header field that nobody has named"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, Indexed(9)),
        ["a header field number that never ends"] = call =>
            call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ["a header field cut off"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, [0x40, 5, 1]),
        ["what is not Huffman's code"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, [0x08, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ["a memory larger than agreed"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream, [0x3f, 0xff, 0xff, 0x03]),
        ["another frame among pieces of headers"] = async call =>
        {
            await call.Frames.WriteAsync(Headers, 0, call.Stream, Fields((":status", "200")));
            await call.BodyAsync(Empty);
        },
        ["headers without end"] = async call =>
        {
            await call.Frames.WriteAsync(Headers, 0, call.Stream, Fields((":status", "200")));
            for (var sent = 0; sent < 100_000_000; sent += 10_000)
            {
                await call.Frames.WriteAsync(Continuation, 0, call.Stream, new byte[10_000]);
            }
        },
        ["few bytes that stand for endless headers"] = call => call.Frames.WriteAsync(Headers, EndHeaders, call.Stream,
            [0x40, 1, .. "a"u8, 0x7f, 0xa1, 0x1e, .. new byte[4000], .. Enumerable.Repeat((byte)0xbe, 8000)]),
    };

    /// <param name="age">Of the fields that are remembered, 0 is the newest.</param>
    private static byte[] Indexed(int age) => [(byte)(0x80 | (62 + age))];
}
