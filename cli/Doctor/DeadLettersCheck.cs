using Grpc.Core;
using Shop.V1;

namespace Shop.Doctor;

/// <summary>Checks whether dead letters of a service wait for an operator.</summary>
internal static class DeadLettersCheck
{
    private const int PageSize = 1000;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public static async Task<IEnumerable<CheckResult>> RunAsync(string service, DeadLetterService.DeadLetterServiceClient letters, CancellationToken ct)
    {
        try
        {
            var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + Timeout;
            return Evaluate(service, await letters.ListDeadLettersAsync(new() { PageSize = PageSize }, deadline: deadline, cancellationToken: ct));
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            return
            [
                CheckResult.Warning(service, "dead letters", $"They cannot be read: {RpcErrorText.Describe(fault)}",
                    fault.StatusCode is StatusCode.Unauthenticated or StatusCode.PermissionDenied
                        ? "Put the token of an operator into SHOP_TOKEN, and run this again."
                        : "Check its sidecar and the state store, and run this again."),
            ];
        }
    }

    public static IEnumerable<CheckResult> Evaluate(string service, ListDeadLettersResponse listed)
    {
        var reservations = listed.DeadLetters.Where(letter => letter.Topic == DeadLetterList.ReservationsTopic).ToArray();
        var events = listed.DeadLetters.Count - reservations.Length + listed.More;
        yield return events == 0
            ? CheckResult.Ok(service, "dead letters", "none waits")
            : CheckResult.Warning(service, "dead letters", $"{events:N0} wait, the oldest since {listed.DeadLetters[0].DeadLetteredTime.ToDateTime():u}",
                "./shop dead-letters list, then show, redrive or discard them");
        if (reservations.Length > 0)
        {
            var some = string.Join(", ", reservations.Take(3).Select(letter => $"order {letter.OrderId}: {letter.Problem.TrimEnd('.')}"));
            yield return CheckResult.Problem(service, "reservations",
                $"{reservations.Length:N0} cannot be handled, and what they hold stays held: {some}",
                $"./shop dead-letters show {reservations[0].DeadLetterId}; ./shop explain <order>");
        }
    }
}
