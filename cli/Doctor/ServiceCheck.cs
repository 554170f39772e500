using System.Diagnostics;
using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Health.V1;
using Shop.V1;
using HealthService = Grpc.Health.V1.Health;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Shop.Doctor;

/// <summary>Checks that a service answers, serves and has the right time; reads its subscriptions and its version.</summary>
internal static class ServiceCheck
{
    /// <summary>The name of the check that is present only when the service answers.</summary>
    public const string Health = "health";

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    private static DateTime Now => TimeProvider.System.GetUtcNow().UtcDateTime;

    /// <returns>
    /// The results; the topics that the service subscribes to, null: unknown; its version, null: it does not answer, empty: unknown.
    /// </returns>
    public static async Task<(IReadOnlyList<CheckResult> Results, IReadOnlyList<TopicSubscription>? Subscriptions, string? Version)> RunAsync(
        ServiceEndpoint service, DeadLetterService.DeadLetterServiceClient letters, CancellationToken ct)
    {
        try
        {
            var begun = Stopwatch.GetTimestamp();
            using var call = new HealthService.HealthClient(service.Channel).CheckAsync(new(), deadline: Now + Timeout, cancellationToken: ct);
            var headers = await call.ResponseHeadersAsync;
            var status = (await call).Status;
            var took = Stopwatch.GetElapsedTime(begun);
            var readiness = status == Status.Serving ? "" : await ServicePage.ReadAsync(service, ServicePage.Readiness, ct);
            List<CheckResult> results = [CheckHealth(service, status, took, readiness)];
            if (ClockCheck.GetOffset(headers.GetValue("date"), Now) is { } offset) results.Add(ClockCheck.Evaluate(service.Name, offset));
            var metrics = await ServicePage.ReadAsync(service, ServicePage.Metrics, ct);
            if (metrics.Length > 0) results.AddRange(SweepCheck.Evaluate(service.Name, metrics));
            results.AddRange(await DeadLettersCheck.RunAsync(service.Name, letters, ct));
            return (results, await ReadSubscriptionsAsync(service, ct), VersionCheck.GetVersion(metrics));
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            return ([await DiagnoseUnreachableAsync(service.Name, service.Address, $"--{service.AppId}", fault, ct)], null, null);
        }
    }

    /// <summary>Finds out why an address does not answer as expected.</summary>
    /// <param name="option">The option that sets the address.</param>
    public static async Task<CheckResult> DiagnoseUnreachableAsync(string subject, string address, string option, RpcException fault, CancellationToken ct)
    {
        var at = new Uri(address);
        if (!await ListensAsync(at, ct))
        {
            return CheckResult.Problem(subject, "port", $"No process listens at {address}.",
                $"Start the shop (./run.sh, or dapr run -f .), or say where it is with {option}.");
        }
        var owner = PortOwner.Find(at);
        return fault.StatusCode == StatusCode.DeadlineExceeded
            ? CheckResult.Problem(subject, "port", $"{address} is taken, but does not answer within {Timeout.TotalSeconds} s.",
                owner is null
                    ? $"Its process hangs or is stopped; look at it (ss -ltnp 'sport = :{at.Port}') and start it again."
                    : $"It is {owner}, which hangs or is stopped: kill -CONT {owner.ProcessId} lets a stopped one go on. "
                        + $"Otherwise end it (kill -9 {owner.ProcessId}) and start the shop again.")
            : CheckResult.Problem(subject, "port", $"Another service listens at {address}: {RpcErrorText.Describe(fault)}",
                owner is null
                    ? $"See which (ss -ltnp 'sport = :{at.Port}'), or say where {subject} is with {option}."
                    : $"It is {owner}: end it (kill {owner.ProcessId}) and start the shop, or say where {subject} is with {option}.");
    }

    /// <param name="readiness">What the service says about it: the status, and a line for each thing that is wrong. Empty: unknown.</param>
    public static CheckResult CheckHealth(ServiceEndpoint service, Status status, TimeSpan took, string readiness) => status == Status.Serving
        ? CheckResult.Ok(service.Name, Health, $"serves at {service.Address}, answered in {took.TotalMilliseconds:0} ms")
        : CheckResult.Problem(service.Name, Health,
            string.Join(" ", [$"{service.Address} answers, but is {status}.", .. readiness.Split('\n').Skip(1).Where(line => line.Length > 0)]),
            "See below what its sidecar says. The service becomes ready by itself once the sidecar, its components and the state store are.");

    /// <summary>Makes the call that a sidecar makes at its start.</summary>
    private static async Task<IReadOnlyList<TopicSubscription>?> ReadSubscriptionsAsync(ServiceEndpoint service, CancellationToken ct)
    {
        try
        {
            var callback = new AppCallback.AppCallbackClient(service.Channel);
            var listed = await callback.ListTopicSubscriptionsAsync(new Empty(), deadline: Now + Timeout, cancellationToken: ct);
            return listed.Subscriptions;
        }
        catch (RpcException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
    }

    private static async Task<bool> ListensAsync(Uri address, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(Timeout);
        using var socket = new TcpClient();
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, limit.Token);
            return true;
        }
        catch (Exception closed) when (closed is SocketException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return false;
        }
    }
}
