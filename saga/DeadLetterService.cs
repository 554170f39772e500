using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Wire = Shop.V1;

namespace Saga;

/// <summary>What people do about the dead letters of this service.</summary>
internal sealed class DeadLetterService(
    DeadLetters letters, Subscriptions subscriptions, Rehearsal rehearsal, AppId appId, TimeProvider clock, ILogger<DeadLetterService> log)
    : Wire.DeadLetterService.DeadLetterServiceBase
{
    public override async Task<Wire.ListDeadLettersResponse> ListDeadLetters(Wire.ListDeadLettersRequest request, ServerCallContext context)
    {
        new RequestCheck().Page(request.PageSize, "").Done();
        var size = RequestCheck.PageOf(request.PageSize);
        var waiting = await letters.ReadWaitingAsync(context.CancellationToken);
        return new() { DeadLetters = { waiting.Take(size).Select(ToWire) }, More = Math.Max(0, waiting.Count - size) };
    }

    public override async Task<Wire.GetDeadLetterResponse> GetDeadLetter(Wire.GetDeadLetterRequest request, ServerCallContext context)
    {
        var letter = await FindAsync(request.DeadLetterId, context.CancellationToken);
        var wire = ToWire(letter);
        wire.Data = ByteString.CopyFrom(letter.Data);
        return new() { DeadLetter = wire };
    }

    public override async Task<Wire.RedriveDeadLetterResponse> RedriveDeadLetter(Wire.RedriveDeadLetterRequest request, ServerCallContext context)
    {
        var stop = context.CancellationToken;
        var letter = await FindAsync(request.DeadLetterId, stop);
        MustWait(letter);
        var e = letters.Read(letter, out var problem) ?? throw Refused(letter, "DEAD_LETTER_UNREADABLE", $"{problem.TrimEnd('.')}. It can only be discarded.");
        // An order's records live longer than its dead letters, and that is how an event is recognised that was heard before.
        if (letter.Said is { } said && clock.GetUtcNow() - said > Retention.OfDeadLetters)
        {
            throw Refused(letter, "DEAD_LETTER_TOO_OLD", $"It was said more than {Retention.OfDeadLetters.TotalDays:0} days ago; what it is about may be forgotten.");
        }
        if (request.DryRun)
        {
            var (effects, fault) = await rehearsal.RunAsync(letter.Topic, e, stop);
            return new() { DeadLetter = ToWire(letter), Effects = { effects }, Failure = fault };
        }
        try
        {
            await subscriptions.On(letter.Topic)!.Handle(e, stop);
        }
        catch (Exception fault) when (!stop.IsCancellationRequested)
        {
            SagaLog.RedriveFailed(log, fault, letter.EventId, letter.Id);
            return new() { DeadLetter = ToWire(letter), Failure = fault.Message };
        }
        SagaLog.Redriven(log, letter.EventId, letter.Id);
        return new() { DeadLetter = ToWire(await letters.CloseAsync(letter, DeadLetterState.Redriven, stop)) };
    }

    public override async Task<Wire.DiscardDeadLetterResponse> DiscardDeadLetter(Wire.DiscardDeadLetterRequest request, ServerCallContext context)
    {
        var letter = await FindAsync(request.DeadLetterId, context.CancellationToken);
        if (letter.State != DeadLetterState.Discarded)
        {
            MustWait(letter);
            letter = await letters.CloseAsync(letter, DeadLetterState.Discarded, context.CancellationToken);
            SagaLog.Discarded(log, letter.EventId, letter.Id);
        }
        return new() { DeadLetter = ToWire(letter) };
    }

    private async Task<DeadLetter> FindAsync(string id, CancellationToken stop)
    {
        new RequestCheck().Id("dead_letter_id", id).Done();
        return await letters.FindAsync(id, stop) ?? throw new RejectedException(Rejection.NotFound("dead_letter", id));
    }

    private static void MustWait(DeadLetter letter)
    {
        if (letter.State != DeadLetterState.Waiting) throw Refused(letter, "DEAD_LETTER_IS_CLOSED", $"It was {letter.State.ToString().ToLowerInvariant()} before.");
    }

    private static RejectedException Refused(DeadLetter letter, string reason, string detail) =>
        new(Rejection.Precondition(($"dead_letter/{letter.Id}", new Refusal(reason, detail))));

    private Wire.DeadLetter ToWire(DeadLetter letter)
    {
        letters.Read(letter, out var problem);
        return new()
        {
            DeadLetterId = letter.Id,
            AppId = appId.Name,
            Topic = letter.Topic,
            EventId = letter.EventId,
            OrderId = letter.OrderId ?? "",
            State = letter.State switch
            {
                DeadLetterState.Waiting => Wire.DeadLetterState.Waiting,
                DeadLetterState.Redriven => Wire.DeadLetterState.Redriven,
                DeadLetterState.Discarded => Wire.DeadLetterState.Discarded,
            },
            Problem = problem,
            SaidTime = letter.Said is { } said ? Timestamp.FromDateTimeOffset(said) : null,
            DeadTime = Timestamp.FromDateTimeOffset(letter.Dead),
            TraceId = letter.TraceId ?? "",
        };
    }
}
