using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Health.V1;
using Shop.V1;
using HealthService = Grpc.Health.V1.Health;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Shop.Doctor;

/// <summary>Whether a service is there, serves, and has the right time; what it wants to hear, and its version.</summary>
internal static class ServiceExam
{
    /// <summary>Looked at only when the service answers.</summary>
    public const string Health = "health";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <returns>
    /// What was found; what the service wants to hear, null: it did not say; its version, null: it does not answer, empty: it did not say.
    /// </returns>
    public static async Task<(IReadOnlyList<Diagnosis> Found, IReadOnlyList<TopicSubscription>? Wants, string? Version)> ExamineAsync(
        ReachedService service, DeadLetterService.DeadLetterServiceClient letters, CancellationToken stop)
    {
        try
        {
            var begun = DateTime.UtcNow;
            using var call = new HealthService.HealthClient(service.Channel).CheckAsync(
                new(), deadline: begun + Patience, cancellationToken: stop);
            var headers = await call.ResponseHeadersAsync;
            var status = (await call).Status;
            List<Diagnosis> found = [HealthOf(service, status, DateTime.UtcNow - begun)];
            if (ClockExam.Ahead(headers.GetValue("date"), DateTime.UtcNow) is { } ahead) found.Add(ClockExam.Of(service.Name, ahead));
            var metrics = await MetricsPage.ReadAsync(service, stop);
            if (metrics.Length > 0) found.AddRange(SweepExam.Of(service.Name, metrics));
            found.AddRange(await LettersExam.ExamineAsync(service.Name, letters, stop));
            return (found, await WantsAsync(service, stop), VersionExam.In(metrics));
        }
        catch (RpcException fault) when (!stop.IsCancellationRequested)
        {
            return ([await MissingAsync(service.Name, service.Address, $"--{service.AppId}", fault, stop)], null, null);
        }
    }

    /// <summary>Why nobody answers at an address, and what to do.</summary>
    public static async Task<Diagnosis> MissingAsync(string of, string address, string option, RpcException fault, CancellationToken stop)
    {
        var at = new Uri(address);
        if (!await ListensAsync(at, stop))
        {
            return Diagnosis.Problem(of, "port", $"Nobody listens at {address}.",
                $"Start the shop (./run.sh, or dapr run -f .), or say where it is with {option}.");
        }
        return fault.StatusCode == StatusCode.DeadlineExceeded
            ? Diagnosis.Problem(of, "port", $"{address} is taken, but nobody answers within {Patience.TotalSeconds} s.",
                $"Its process hangs or is stopped; look at it (ss -ltnp 'sport = :{at.Port}') and start it again.")
            : Diagnosis.Problem(of, "port", $"Somebody else listens at {address}: {Refusal.Of(fault)}",
                $"See who (ss -ltnp 'sport = :{at.Port}'), or say where {of} is with {option}.");
    }

    private static Diagnosis HealthOf(ReachedService service, Status status, TimeSpan took) => status == Status.Serving
        ? Diagnosis.Ok(service.Name, Health, $"serves at {service.Address}, answered in {took.TotalMilliseconds:0} ms")
        : Diagnosis.Problem(service.Name, Health, $"{service.Address} answers, but is {status}",
            "Its sidecar is not there or not ready: see below what is wrong with it. The service says so itself once it is.");

    /// <summary>Asks what a sidecar asks when it starts.</summary>
    private static async Task<IReadOnlyList<TopicSubscription>?> WantsAsync(ReachedService service, CancellationToken stop)
    {
        try
        {
            var callback = new AppCallback.AppCallbackClient(service.Channel);
            var said = await callback.ListTopicSubscriptionsAsync(new Empty(), deadline: DateTime.UtcNow + Patience, cancellationToken: stop);
            return said.Subscriptions;
        }
        catch (RpcException) when (!stop.IsCancellationRequested)
        {
            return null;
        }
    }

    private static async Task<bool> ListensAsync(Uri address, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(Patience);
        using var socket = new TcpClient();
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, limit.Token);
            return true;
        }
        catch (Exception closed) when (closed is SocketException or OperationCanceledException && !stop.IsCancellationRequested)
        {
            return false;
        }
    }
}
