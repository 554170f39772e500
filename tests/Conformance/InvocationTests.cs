using System.Net;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Conformance;

/// <summary>Service invocation, through the sidecar of the called app or through another one.</summary>
public abstract class InvocationTests(Sidecar caller, Sidecar callee, TestApp app)
{
    protected const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    protected Sidecar Caller => caller;

    protected Sidecar Callee => callee;

    private protected Echo.EchoClient Echo => new(caller.Channel);

    protected Metadata ToCallee => To(callee);

    protected static Metadata To(Sidecar callee) => new() { { "dapr-app-id", callee.AppId } };

    [Fact]
    public async Task A_call_is_proxied_with_metadata_headers_and_trailers()
    {
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("mark", "m"), new("blob-bin", [1, 2, 3])]);
        Assert.Equal("m", (await call.ResponseHeadersAsync).GetValue("header-mark"));
        Assert.Equal("hello", (await call).Text);
        var trailers = call.GetTrailers();
        Assert.Equal("m", trailers.GetValue("trailer-mark"));
        Assert.Equal([1, 2, 3], trailers.GetValueBytes("blob-bin"));
        Assert.Null(trailers.GetValue("saw-dapr-app-id"));
    }

    [Fact]
    public async Task A_large_message_is_proxied()
    {
        var text = new string('x', 3_000_000);
        Assert.Equal(text, (await Echo.SayAsync(new EchoMessage { Text = text }, ToCallee)).Text);
    }

    [Fact]
    public async Task A_request_over_the_size_limit_is_rejected()
    {
        var failure = await Failure.OfAsync(Echo.SayAsync(new EchoMessage { Text = new string('x', 4_200_000) }, ToCallee));
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        Assert.Contains("received message larger than max", failure.Status.Detail);
        Assert.Equal("short", (await Echo.SayAsync(new EchoMessage { Text = "short" }, ToCallee)).Text);
    }

    [Fact]
    public async Task Response_headers_are_sent_with_the_first_message_and_dropped_without_one()
    {
        using var chat = Echo.Chat(ToCallee);
        Assert.False(chat.ResponseHeadersAsync.IsCompleted);
        await chat.RequestStream.WriteAsync(new EchoMessage { Text = "a" });
        Assert.True(await chat.ResponseStream.MoveNext(CancellationToken.None));
        await chat.ResponseHeadersAsync.WaitAsync(TimeSpan.FromSeconds(30));
        await chat.RequestStream.CompleteAsync();
        var count = Echo.Count(new EchoMessage { Text = "0" }, [.. ToCallee, new("mark", "m")]);
        Assert.False(await count.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Null((await count.ResponseHeadersAsync).GetValue("header-mark"));
    }

    [Fact]
    public async Task The_callee_header_takes_precedence_and_a_namespace_in_the_id_is_ignored()
    {
        var reply = await Echo.SayAsync(new EchoMessage { Text = "hello" },
            [new("dapr-app-id", "unknown"), new("dapr-callee-app-id", callee.AppId + ".default")]);
        Assert.Equal("hello", reply.Text);
    }

    [Fact]
    public async Task A_server_stream_is_proxied()
    {
        using var call = Echo.Count(new EchoMessage { Text = "1000" }, ToCallee);
        var numbers = new List<string>();
        await foreach (var answer in call.ResponseStream.ReadAllAsync()) numbers.Add(answer.Text);
        Assert.Equal(Enumerable.Range(1, 1000).Select(i => i.ToString()), numbers);
    }

    [Fact]
    public async Task A_client_stream_is_proxied()
    {
        using var call = Echo.Join(ToCallee);
        foreach (var text in (string[])["a", "b", "c"]) await call.RequestStream.WriteAsync(new EchoMessage { Text = text });
        await call.RequestStream.CompleteAsync();
        Assert.Equal("a+b+c", (await call).Text);
    }

    [Fact]
    public async Task A_bidirectional_stream_is_proxied()
    {
        using var call = Echo.Chat(ToCallee);
        foreach (var text in (string[])["a", "b", "c"])
        {
            await call.RequestStream.WriteAsync(new EchoMessage { Text = text });
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            Assert.Equal("re: " + text, call.ResponseStream.Current.Text);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task An_error_of_the_app_is_returned_unchanged()
    {
        var failure = await Failure.OfAsync(Echo.FailAsync(new EchoMessage { Text = "too much" }, ToCallee));
        Assert.Equal((StatusCode.ResourceExhausted, "too much 한글"), (failure.StatusCode, failure.Status.Detail));
        Assert.Equal("because", failure.Trailers.GetValue("why"));
    }

    [Fact]
    public async Task A_deadline_cancels_the_call_in_the_app()
    {
        var failure = await Failure.OfAsync(Echo.HangAsync(new EchoMessage(), ToCallee, deadline: DateTime.UtcNow.AddMilliseconds(200)));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        await app.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_call_to_an_unknown_app_is_an_unknown_error()
    {
        var failure = await Failure.OfAsync(Echo.SayAsync(new EchoMessage(), new Metadata { { "dapr-app-id", "no-such-app" } }));
        Assert.Equal(StatusCode.Unknown, failure.StatusCode);
        Assert.Contains("no-such-app", failure.Status.Detail);
    }

    [Fact]
    public async Task A_call_without_app_id_is_an_unknown_error()
    {
        var failure = await Failure.OfAsync(Echo.SayAsync(new EchoMessage()));
        Assert.Equal(
            (StatusCode.Unknown, "cannot proxy request: missing dapr-callee-app-id or dapr-app-id metadata"), (failure.StatusCode, failure.Status.Detail));
    }
}

[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class NearInvocationTests : InvocationTests
{
    public NearInvocationTests(AddressedSidecar addressed)
        : base(addressed.Sidecar, addressed.Sidecar, addressed.App) => addressed.App.Reset();

    [Fact]
    public async Task A_call_to_the_own_app_has_only_the_trace_context_of_the_caller()
    {
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("traceparent", Parent)]);
        await call;
        Assert.Equal(Parent, call.GetTrailers().GetValue("saw-traceparent"));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(127)]
    [InlineData(300)]
    public async Task A_trace_header_with_several_values_is_proxied_unchanged(int length)
    {
        var values = $"{new string('x', length)},{new string('y', length - 1)},z";
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("traceparent", values)]);
        await call;
        Assert.Equal(values, call.GetTrailers().GetValue("saw-traceparent"));
    }

    [Fact]
    public async Task A_call_to_the_own_app_has_no_caller_app_id()
    {
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, ToCallee);
        await call;
        Assert.Null(call.GetTrailers().GetValue("saw-dapr-caller-app-id"));
    }
}

/// <summary>An app with its sidecar, and a second sidecar in another process.</summary>
public sealed class InvocationFixture : IAsyncLifetime
{
    public TestApp App { get; private set; } = null!;

    public Sidecar Callee { get; private set; } = null!;

    public Sidecar Caller { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        App = await TestApp.StartAsync();
        Callee = await Sidecar.StartAsync(Sidecar.FreshId("callee"), "", App.Port);
        Caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "");
    }

    public async Task DisposeAsync()
    {
        await Caller.DisposeAsync();
        await Callee.DisposeAsync();
        await App.DisposeAsync();
    }
}

public sealed class FarInvocationTests(InvocationFixture fixture)
    : InvocationTests(fixture.Caller, fixture.Callee, fixture.App), IClassFixture<InvocationFixture>
{
    [Fact]
    public async Task A_call_to_another_app_has_the_trace_contexts_of_the_caller_and_of_the_sidecar()
    {
        // Without tracing, the second context equals the first.
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("traceparent", Parent)]);
        await call;
        Assert.Equal($"{Parent},{Parent}", call.GetTrailers().GetValue("saw-traceparent"));
        var without = Echo.SayAsync(new EchoMessage { Text = "hello" }, ToCallee);
        await without;
        Assert.Equal("00-00000000000000000000000000000000-0000000000000000-00", without.GetTrailers().GetValue("saw-traceparent"));
    }

    [Fact]
    public async Task A_call_to_another_app_has_the_app_ids_of_caller_and_callee()
    {
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, ToCallee);
        await call;
        var trailers = call.GetTrailers();
        Assert.Equal((Caller.AppId, Callee.AppId), (trailers.GetValue("saw-dapr-caller-app-id"), trailers.GetValue("saw-dapr-callee-app-id")));
    }

    [Fact]
    public async Task A_response_over_the_size_limit_is_rejected()
    {
        var failure = await Failure.OfAsync(Echo.SayAsync(new EchoMessage { Text = "long 4200000" }, ToCallee));
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        Assert.Contains("received message larger than max", failure.Status.Detail);
    }

    [Fact]
    public async Task A_call_to_an_app_that_is_down_is_unavailable()
    {
        await using var app = await TestApp.StartAsync();
        await using var sidecar = await Sidecar.StartAsync(Sidecar.FreshId("down"), "", app.Port);
        await app.StopAsync();
        var failure = await Failure.OfAsync(new Echo.EchoClient(sidecar.Channel).SayAsync(new EchoMessage(), To(sidecar)));
        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
    }

    [Fact]
    public async Task A_call_to_an_app_whose_sidecar_is_gone_is_an_unknown_error()
    {
        await using var app = await TestApp.StartAsync();
        await using var caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "");
        await using var gone = await Sidecar.StartAsync(Sidecar.FreshId("gone"), "", app.Port);
        await gone.KillAsync();
        var failure = await Failure.OfAsync(new Echo.EchoClient(caller.Channel).SayAsync(new EchoMessage(), To(gone)));
        Assert.Equal(StatusCode.Unknown, failure.StatusCode);
    }

    [StandInFact]
    public async Task Sidecars_with_the_same_app_id_are_called_in_turn_and_dead_ones_are_skipped()
    {
        await using var first = await TestApp.StartAsync();
        await using var second = await TestApp.StartAsync();
        await using var caller = await Sidecar.StartAsync(Sidecar.FreshId("caller"), "");
        var twin = Sidecar.FreshId("twin");
        await using var one = await Sidecar.StartAsync(twin, "", first.Port);
        await using var other = await Sidecar.StartAsync(twin, "", second.Port);
        async Task CallAsync() => await new Echo.EchoClient(caller.Channel).SayAsync(new EchoMessage(), To(one));

        // One of the two apps is down: in turn, every second call fails.
        await first.StopAsync();
        var failed = 0;
        for (var call = 0; call < 4; call++) if (await Record.ExceptionAsync(CallAsync) is RpcException) failed++;
        Assert.Equal(2, failed);

        await one.KillAsync();
        for (var call = 0; call < 4; call++) await CallAsync();
    }

    [StandInFact]
    public async Task Unsupported_rpcs_return_unimplemented_with_their_name()
    {
        using var streaming = Caller.Dapr.SubscribeTopicEventsAlpha1();
        var failure = await Failure.OfAsync(() => streaming.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(StatusCode.Unimplemented, failure.StatusCode);
        Assert.Contains("SubscribeTopicEventsAlpha1", failure.Status.Detail);
        foreach (var name in (string[])["GetSecret", "InvokeService", "ExecuteStateTransaction", "DeleteBulkState"])
        {
            var foreign = new Method<GetStateRequest, GetStateResponse>(
                MethodType.Unary, "dapr.proto.runtime.v1.Dapr", name,
                Marshallers.Create(m => m.ToByteArray(), GetStateRequest.Parser.ParseFrom),
                Marshallers.Create(m => m.ToByteArray(), GetStateResponse.Parser.ParseFrom));
            var other = await Failure.OfAsync(Caller.Channel.CreateCallInvoker().AsyncUnaryCall(foreign, null, default, new GetStateRequest()));
            Assert.Equal((StatusCode.Unimplemented, $"{name} is not in this stand-in for daprd"), (other.StatusCode, other.Status.Detail));
        }
    }

    [StandInTheory]
    [InlineData("POST", "/v1.0/bindings/b", "bindings")]
    [InlineData("GET", "/v1.0/secrets/store/name", "secrets")]
    [InlineData("GET", "/v1.0-alpha1/configuration/store", "configuration")]
    [InlineData("POST", "/v1.0-alpha1/lock/store", "lock")]
    [InlineData("GET", "/v1.0/state/store/k", "state")]
    [InlineData("POST", "/v1.0/state/store/transaction", "state")]
    [InlineData("POST", "/v1.0/invoke/app/method/greet", "invoke")]
    [InlineData("POST", "/greet", "invoke")]
    [InlineData("POST", "/v1.0-beta1/workflows/dapr/w/start", "workflows")]
    [InlineData("PUT", "/v1.0/actors/a/1/method/m", "actors")]
    public async Task Unsupported_http_paths_return_501_with_the_feature(string method, string path, string feature)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Add("dapr-app-id", Callee.AppId);
        using var response = await Caller.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
        Assert.Contains($"\"message\":\"{feature} is not in this stand-in for daprd\"", await response.Content.ReadAsStringAsync());
    }
}
