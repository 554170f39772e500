using Grpc.Core;
using Grpc.Core.Interceptors;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class Interceptors
{
    [Fact]
    public async Task A_servers_interceptors_stand_around_its_methods_the_first_one_outermost()
    {
        await using var server = await TestServer.StartAsync(grpc =>
        {
            grpc.Interceptors.Add<Noting>("outer");
            grpc.Interceptors.Add<Noting>("inner");
        });
        using var call = server.Client.EmptyAsync(new Nothing());

        await call;

        Assert.Equal(["inner", "outer"], call.GetTrailers().GetAll("seen-by").Select(entry => entry.Value));
    }

    [Fact]
    public async Task A_servers_interceptors_stand_around_streams_too()
    {
        await using var server = await TestServer.StartAsync(grpc => grpc.Interceptors.Add<Noting>("stream"));
        using var call = server.Client.Converse();
        await call.RequestStream.CompleteAsync();

        Assert.False(await call.ResponseStream.MoveNext());

        Assert.Equal("stream", call.GetTrailers().GetValue("seen-by"));
    }

    [Fact]
    public async Task A_clients_interceptor_may_change_the_headers_of_every_kind_of_call()
    {
        await using var server = await TestServer.StartAsync();
        var client = new Interop.Interop.InteropClient(server.Channel.Intercept(headers =>
        {
            headers.Add("x-grpc-test-echo-initial", "intercepted");
            return headers;
        }));
        using var unary = client.UnaryAsync(new Ask());
        using var stream = client.Stream(new Ask());
        using var duplex = client.Converse();

        foreach (var headers in await Task.WhenAll(unary.ResponseHeadersAsync, stream.ResponseHeadersAsync, duplex.ResponseHeadersAsync))
        {
            Assert.Equal("intercepted", headers.GetValue("x-grpc-test-echo-initial"));
        }
    }

    [Fact]
    public async Task A_client_with_another_host_asks_for_that_authority()
    {
        await using var server = await TestServer.StartAsync();
        var asked = "";
        server.Script.Empty = (request, context) =>
        {
            asked = context.Host;
            return Task.FromResult(request);
        };

        await server.Client.WithHost("elsewhere.example").EmptyAsync(new Nothing());

        Assert.Equal("elsewhere.example", asked);
    }

    private sealed class Noting(string name) : Interceptor
    {
        public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
            TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
        {
            var response = await continuation(request, context);
            context.ResponseTrailers.Add("seen-by", name);
            return response;
        }

        public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
            IAsyncStreamReader<TRequest> requestStream,
            IServerStreamWriter<TResponse> responseStream,
            ServerCallContext context,
            DuplexStreamingServerMethod<TRequest, TResponse> continuation)
        {
            await continuation(requestStream, responseStream, context);
            context.ResponseTrailers.Add("seen-by", name);
        }
    }
}
