using System.Net;
using Dapr.Client.Autogen.Grpc.v1;
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
    public async Task A_server_stream_is_proxied()
    {
        using var call = Echo.Count(new EchoMessage { Text = "1000" }, ToCallee);
        var numbers = new List<string>();
        await foreach (var answer in call.ResponseStream.ReadAllAsync()) numbers.Add(answer.Text);
        Assert.Equal(Enumerable.Range(1, 1000).Select(i => i.ToString()), numbers);
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
        // The first call of a connection can take longer than the deadline, and would not arrive.
        await Echo.SayAsync(new EchoMessage(), ToCallee);
        var failure = await Failure.OfAsync(Echo.HangAsync(new EchoMessage(), ToCallee, deadline: DateTime.UtcNow.AddSeconds(4)));
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

[Collection(nameof(OnSharedSidecar))]
public sealed class NearInvocationTests : InvocationTests
{
    public NearInvocationTests(SharedSidecar shared)
        : base(shared.Sidecar, shared.Sidecar, shared.App) => shared.App.Reset();

    [Fact]
    public async Task A_call_to_the_own_app_has_only_the_trace_context_of_the_caller_and_no_caller_app_id()
    {
        var call = Echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("traceparent", Parent)]);
        await call;
        Assert.Equal(Parent, call.GetTrailers().GetValue("saw-traceparent"));
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
        Assert.Equal($"{Parent},{Parent}", call.GetTrailers().GetValue("saw-traceparent")!.Replace(" ", ""));
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
        var transaction = await Failure.OfAsync(Caller.Dapr.ExecuteStateTransactionAsync(new ExecuteStateTransactionRequest()));
        Assert.Equal(
            (StatusCode.Unimplemented, "ExecuteStateTransaction is not in this stand-in for daprd"), (transaction.StatusCode, transaction.Status.Detail));
        using var http = await Caller.Http.GetAsync("/v1.0/state/store/k");
        Assert.Equal(HttpStatusCode.NotImplemented, http.StatusCode);
    }
}
