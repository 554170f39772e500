using System.Text.Json.Serialization;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Shop.V1;

namespace Saga.Tests;

/// <summary>What the author of a participant may get wrong is reported at start, and whether a delivery is taken follows from its headers.</summary>
public sealed class HostTests
{
    private const string Deliver = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent", List = "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";

    private static readonly StepDecisions<Member> Decisions = Member.Decisions;

    [Theory]
    [InlineData("Slots"), InlineData(""), InlineData("9slots"), InlineData("slots||x")]
    public void An_app_id_that_no_step_can_have(string appId) =>
        Assert.Contains($"'{appId}'", Assert.Throws<ArgumentException>(() => SagaHost.CreateBuilder([], appId, FreePort.Take(), MemberJsonContext.Default)).Message);

    [Fact]
    public void Steps_are_added_once_and_subscriptions_too()
    {
        var builder = Create(MemberJsonContext.Default);
        builder.AddStep(Member.KeyOf, Decisions);
        Assert.Contains("one AddSubscriptions", Assert.Throws<InvalidOperationException>(() => builder.AddSubscriptions<HostTests>((_, _) => { })).Message);
        Assert.Contains("called once", Assert.Throws<InvalidOperationException>(() => builder.AddStep(Member.KeyOf, Decisions)).Message);
    }

    [Theory]
    [InlineData("pool:", true), InlineData("reservation-of-a-slot:", true)]
    [InlineData("", false), InlineData("reservation:", false), InlineData("open:", false), InlineData("dead-letter:", false), InlineData(null, false)]
    public void Keys_that_are_the_librarys_or_the_same_for_all(string? prefix, bool isFit)
    {
        Func<string, string> keyOf = prefix is null ? _ => "pool" : id => prefix + id;
        var problem = Record.Exception(() => Create(MemberJsonContext.Default).AddStep(keyOf, Decisions));
        if (isFit) Assert.Null(problem);
        else Assert.Contains("keyOf", Assert.IsType<InvalidOperationException>(problem).Message);
    }

    [Fact]
    public void Documents_without_JSON() => Assert.Contains("JsonSerializable(typeof(Member))",
        Assert.Throws<InvalidOperationException>(() => Create(null).AddStep(Member.KeyOf, Decisions)).Message);

    [Fact]
    public void A_service_without_subscriptions_does_not_start()
    {
        using var app = (IDisposable)Create(MemberJsonContext.Default).Build();
        Assert.Contains("no event would be delivered", Assert.Throws<InvalidOperationException>(() => ((WebApplication)app).MapSaga()).Message);
    }

    [Fact]
    public void A_message_that_is_no_event_and_one_twice()
    {
        var subscriptions = new Subscriptions().On<OrderCreatedEvent>((_, _) => Task.CompletedTask);
        Assert.Throws<ArgumentException>(() => subscriptions.On<OrderCreatedEvent>((_, _) => Task.CompletedTask));
        Assert.Contains("must end in Event", Assert.Throws<ArgumentException>(() => subscriptions.On<OrderLine>((_, _) => Task.CompletedTask)).Message);
    }

    [Theory]
    [InlineData(Deliver, "", StatusCode.Unauthenticated)]
    [InlineData(Deliver, "dapr-api-token=wrong", StatusCode.Unauthenticated)]
    [InlineData(Deliver, "dapr-api-token=secret", null)]
    [InlineData(Deliver, "dapr-api-token=secret;dapr-caller-app-id=stock", StatusCode.PermissionDenied)]
    [InlineData(Deliver, "dapr-api-token=secret;grpc-encoding=gzip", StatusCode.Unimplemented)]
    [InlineData("/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1", "", StatusCode.Unauthenticated)]
    [InlineData("/shop.v1.ParticipantService/Reserve", "", StatusCode.Unauthenticated)]
    [InlineData(List, "", null)]
    [InlineData(List, "grpc-encoding=gzip", StatusCode.Unimplemented)]
    [InlineData("/shop.v1.OrderService/PlaceOrder", "grpc-encoding=gzip", null)]
    public void Who_may_deliver_follows_from_the_headers(string method, string headers, StatusCode? refused)
    {
        var settings = new ConfigurationBuilder().AddInMemoryCollection([new("APP_API_TOKEN", "secret")]).Build();
        var request = new DefaultHttpContext().Request;
        foreach (var header in headers.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('='))) request.Headers[header[0]] = header[1];
        Assert.Equal(refused, SidecarCalls.FindProblem(method, request, new(AuthOptions.Read(new(settings), isReachable: false)))?.StatusCode);
    }

    private static WebApplicationBuilder Create(JsonSerializerContext? documents) =>
        SagaHost.CreateBuilder(["--OTEL_SDK_DISABLED=true"], "slots", FreePort.Take(), documents);
}
