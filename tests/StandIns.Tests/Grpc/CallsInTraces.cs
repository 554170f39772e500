using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class CallsInTraces
{
    public enum Carrier
    {
        OwnConnection,
        HttpClient,
    }

    [Theory]
    [InlineData(Carrier.OwnConnection)]
    [InlineData(Carrier.HttpClient)]
    public async Task A_call_is_a_span_of_whoever_listens_to_HttpClient_and_goes_on_at_the_server(Carrier carrier)
    {
        using var around = new Activity("around").Start();
        using var calls = new Listening(around);
        await using var server = await TestServer.StartAsync();
        using var channel = Open(server, carrier);
        string? parent = null;
        server.Script.Empty = (request, context) =>
        {
            parent = context.RequestHeaders.GetValue("traceparent");
            return Task.FromResult(request);
        };

        await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing());

        Assert.Same(around, Activity.Current);
        var span = Assert.Single(calls.Spans);
        Assert.Equal(around.SpanId, span.ParentSpanId);
        Assert.Equal(span.Id, parent);
        Assert.Equal(
            (ActivityKind.Client, "System.Net.Http.HttpRequestOut", "POST", new Uri(server.Address, "/standins.interop.Interop/Empty").ToString(), 200),
            (span.Kind, span.OperationName, span.DisplayName, span.GetTagItem("url.full"), span.GetTagItem("http.response.status_code")));
        Assert.Equal(
            ("127.0.0.1", server.Address.Port, "POST", "2"),
            (span.GetTagItem("server.address"), span.GetTagItem("server.port"), span.GetTagItem("http.request.method"), span.GetTagItem("network.protocol.version")));
    }

    [Theory]
    [InlineData(Carrier.OwnConnection)]
    [InlineData(Carrier.HttpClient)]
    public async Task A_call_that_fails_on_its_way_is_a_span_with_an_error(Carrier carrier)
    {
        using var around = new Activity("around").Start();
        using var calls = new Listening(around);
        using var channel = carrier == Carrier.OwnConnection
            ? GrpcChannel.ForAddress("http://127.0.0.1:1")
            : GrpcChannel.ForAddress("http://127.0.0.1:1", new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler(), DisposeHttpClient = true });

        await Assert.ThrowsAsync<RpcException>(async () => await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing()));

        var span = Assert.Single(calls.Spans);
        Assert.Equal(ActivityStatusCode.Error, span.Status);
        Assert.NotNull(span.GetTagItem("error.type"));
    }

    [Theory]
    [InlineData(Carrier.OwnConnection)]
    [InlineData(Carrier.HttpClient)]
    public async Task Where_nobody_listens_a_call_still_says_in_which_trace_it_is_unless_the_caller_does(Carrier carrier)
    {
        await using var server = await TestServer.StartAsync();
        using var channel = Open(server, carrier);
        var client = new Interop.Interop.InteropClient(channel);
        List<string?> parents = [];
        server.Script.Empty = (request, context) =>
        {
            parents.Add(context.RequestHeaders.GetValue("traceparent"));
            return Task.FromResult(request);
        };
        const string given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

        await client.EmptyAsync(new Nothing());
        using var around = new Activity("around").Start();
        await client.EmptyAsync(new Nothing());
        await client.EmptyAsync(new Nothing(), new Metadata { { "traceparent", given } });

        Assert.Null(parents[0]);
        Assert.Contains(around.TraceId.ToString(), parents[1]);
        Assert.Equal(given, parents[2]);
    }

    private static GrpcChannel Open(TestServer server, Carrier carrier) => carrier == Carrier.OwnConnection
        ? GrpcChannel.ForAddress(server.Address)
        : GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler(), DisposeHttpClient = true });

    /// <summary>Hears of HttpClient's spans within an activity, and of no other that there are in the process.</summary>
    private sealed class Listening : IDisposable
    {
        private readonly ActivityListener listener;

        public Listening(Activity around)
        {
            listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "System.Net.Http",
                Sample = (ref ActivityCreationOptions<ActivityContext> asked) =>
                    asked.Parent.TraceId == around.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
                ActivityStopped = span =>
                {
                    lock (Spans)
                    {
                        Spans.Add(span);
                    }
                },
            };
            ActivitySource.AddActivityListener(listener);
        }

        public List<Activity> Spans { get; } = [];

        public void Dispose() => listener.Dispose();
    }
}
