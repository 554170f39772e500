using Grpc.Core;
using Shop.V1;

namespace Shop.Doctor;

/// <summary>What a service could not handle and somebody must look at.</summary>
internal static class LettersExam
{
    private const int Page = 1000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<IEnumerable<Diagnosis>> ExamineAsync(string service, DeadLetterService.DeadLetterServiceClient letters, CancellationToken stop)
    {
        try
        {
            return Of(service, await letters.ListDeadLettersAsync(new() { PageSize = Page }, deadline: DateTime.UtcNow + Patience, cancellationToken: stop));
        }
        catch (RpcException fault) when (!stop.IsCancellationRequested)
        {
            return [Diagnosis.Warning(service, "dead letters", $"They cannot be read: {Refusal.Of(fault)}", "See what is wrong with its sidecar and the store behind it, and ask again.")];
        }
    }

    public static IEnumerable<Diagnosis> Of(string service, ListDeadLettersResponse listed)
    {
        var reservations = listed.DeadLetters.Where(letter => letter.Topic == WaitingLetters.Reservations).ToArray();
        var events = listed.DeadLetters.Count - reservations.Length + listed.More;
        yield return events == 0
            ? Diagnosis.Ok(service, "dead letters", "none waits")
            : Diagnosis.Warning(service, "dead letters", $"{events:N0} wait, the oldest since {listed.DeadLetters[0].DeadTime.ToDateTime():u}",
                "./shop dead-letters list, then show, redrive or discard them");
        if (reservations.Length > 0)
        {
            yield return Diagnosis.Problem(service, "reservations",
                $"{reservations.Length:N0} cannot be handled, and what they hold stays held: {string.Join(", ", reservations.Take(3).Select(letter => $"order {letter.OrderId}: {letter.Problem.TrimEnd('.')}"))}",
                $"./shop dead-letters show {reservations[0].DeadLetterId}; ./shop explain <order>");
        }
    }
}
