using Grpc.Core;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class CustomMetadata
{
    private static readonly byte[] Bytes = [0xab, 0xab, 0xab, 0x00, 0xff];

    private static Metadata Echoed => new()
    {
        { "x-grpc-test-echo-initial", "test_initial_metadata_value" },
        { "x-grpc-test-echo-trailing-bin", Bytes },
    };

    [Fact]
    public async Task A_unary_call_carries_headers_and_binary_trailers()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.UnaryAsync(new Ask(), Echoed);

        Assert.Equal("test_initial_metadata_value", (await call.ResponseHeadersAsync).GetValue("x-grpc-test-echo-initial"));
        await call;
        Assert.Equal(Bytes, call.GetTrailers().GetValueBytes("x-grpc-test-echo-trailing-bin"));
    }

    [Fact]
    public async Task A_conversation_carries_headers_before_its_first_answer_and_binary_trailers_after_its_last()
    {
        await using var server = await TestServer.StartAsync();
        using var call = server.Client.Converse(Echoed);

        Assert.Equal("test_initial_metadata_value", (await call.ResponseHeadersAsync).GetValue("x-grpc-test-echo-initial"));
        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext());
        Assert.Equal(Bytes, call.GetTrailers().GetValueBytes("x-grpc-test-echo-trailing-bin"));
    }

    [Fact]
    public async Task A_failure_carries_its_trailers()
    {
        await using var server = await TestServer.StartAsync();
        server.Script.Empty = (_, context) =>
        {
            context.ResponseTrailers.Add("from-context", "1");
            throw new RpcException(new Status(StatusCode.NotFound, "gone"), new Metadata { { "grpc-status-details-bin", Bytes } });
        };

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()));

        Assert.Equal(Bytes, e.Trailers.GetValueBytes("grpc-status-details-bin"));
        Assert.Equal("1", e.Trailers.GetValue("from-context"));
    }

    [Fact]
    public async Task A_method_sees_each_value_of_a_repeated_header_and_none_of_the_protocols_own()
    {
        await using var server = await TestServer.StartAsync();
        Metadata? seen = null;
        server.Script.Empty = (request, context) =>
        {
            seen = context.RequestHeaders;
            return Task.FromResult(request);
        };

        await server.Client.EmptyAsync(new Nothing(), new Metadata { { "b-bin", [1] }, { "b-bin", [2, 3] }, { "Mixed-Case", "x" } });

        Assert.Equal([[1], [2, 3]], seen!.GetAll("b-bin").Select(entry => entry.ValueBytes));
        Assert.Equal("x", seen!.GetValue("mixed-case"));
        Assert.DoesNotContain(seen!, entry => entry.Key.StartsWith("grpc-") || entry.Key is "te" or "content-type");
    }

    [Fact]
    public void A_value_is_text_or_bytes_as_its_key_says()
    {
        Assert.Throws<ArgumentException>(() => new Metadata { { "text", Bytes } });
        Assert.Throws<ArgumentException>(() => new Metadata { { "bytes-bin", "text" } });
        Assert.Throws<ArgumentException>(() => new Metadata { { "not a key", "text" } });
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("key", "value"));
    }
}
