using System.Text;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Saga.Commands;
using Saga.Dapr;
using Saga.State;
using Saga.Telemetry;

namespace Saga.Messaging;

/// <summary>The API for operators to list, redrive and discard the dead letters of this service.</summary>
internal sealed class DeadLetterService(
    DeadLetters letters, Subscriptions subscriptions, DryRun dryRun, AppId appId, TimeProvider clock, ILogger<DeadLetterService> log)
    : Shop.V1.DeadLetterService.DeadLetterServiceBase
{
    /// <summary>Bytes of an answer: gRPC clients refuse more than 4 MiB by default.</summary>
    private const int MaxResponseSize = 3 * 1024 * 1024;

    public override async Task<Shop.V1.ListDeadLettersResponse> ListDeadLetters(Shop.V1.ListDeadLettersRequest request, ServerCallContext context)
    {
        new RequestCheck().Page(request.PageSize, "").ThrowIfInvalid();
        var size = RequestCheck.GetPageSize(request.PageSize);
        var waiting = 0;
        // Without their payloads, and the latest is dequeued first.
        var oldest = new PriorityQueue<Shop.V1.DeadLetter, DateTimeOffset>(Comparer<DateTimeOffset>.Create((one, other) => other.CompareTo(one)));
        await foreach (var letter in letters.ReadWaitingAsync(context.CancellationToken))
        {
            waiting++;
            if (oldest.Count < size) oldest.Enqueue(ToWire(letter), letter.DeadLetteredAt);
            else if (oldest.TryPeek(out _, out var latest) && letter.DeadLetteredAt < latest) oldest.EnqueueDequeue(ToWire(letter), letter.DeadLetteredAt);
        }
        var response = new Shop.V1.ListDeadLettersResponse();
        var bytes = 0;
        foreach (var (letter, _) in oldest.UnorderedItems.OrderBy(one => one.Priority))
        {
            if ((bytes += letter.CalculateSize()) > MaxResponseSize) break;
            response.DeadLetters.Add(letter);
        }
        response.More = waiting - response.DeadLetters.Count;
        return response;
    }

    public override async Task<Shop.V1.GetDeadLetterResponse> GetDeadLetter(Shop.V1.GetDeadLetterRequest request, ServerCallContext context)
    {
        var letter = await FindAsync(request.DeadLetterId, context.CancellationToken);
        var wire = ToWire(letter);
        wire.Data = ByteString.CopyFrom(letter.Data);
        return new() { DeadLetter = wire };
    }

    public override async Task<Shop.V1.RedriveDeadLetterResponse> RedriveDeadLetter(Shop.V1.RedriveDeadLetterRequest request, ServerCallContext context)
    {
        var ct = context.CancellationToken;
        var letter = await FindAsync(request.DeadLetterId, ct);
        MustBeWaiting(letter);
        var e = Parse(letter, out var problem) ?? throw Rejected(
            letter, "DEAD_LETTER_UNREADABLE", $"{Shortened.To(DeadLetters.ReasonMax, problem).TrimEnd('.')}. It can only be discarded.");
        // Records live longer than dead letters, so that a redriven duplicate is recognised.
        if (letter.PublishedAt is { } publishedAt && clock.GetUtcNow() - publishedAt > Retention.OfDeadLetters)
        {
            throw Rejected(letter, "DEAD_LETTER_TOO_OLD",
                $"It was published more than {Retention.OfDeadLetters.TotalDays:0} days ago; the records of its order may have expired.");
        }
        if (request.DryRun)
        {
            var (effects, fault) = await dryRun.RunAsync(letter.Topic, e, ct);
            return new() { DeadLetter = ToWire(letter), Effects = { effects }, Failure = fault };
        }
        try
        {
            await subscriptions.OnRedriven(letter.Topic)!.HandleAsync(e, ct);
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            SagaLog.RedriveFailed(log, fault, letter.EventId, letter.Id);
            return new() { DeadLetter = ToWire(letter), Failure = Shortened.To(DeadLetters.ReasonMax, fault.Message) };
        }
        SagaLog.Redriven(log, letter.EventId, letter.Id);
        return new() { DeadLetter = ToWire(await letters.ResolveAsync(letter, DeadLetterState.Redriven, ct)) };
    }

    public override async Task<Shop.V1.DiscardDeadLetterResponse> DiscardDeadLetter(Shop.V1.DiscardDeadLetterRequest request, ServerCallContext context)
    {
        var letter = await FindAsync(request.DeadLetterId, context.CancellationToken);
        if (letter.State != DeadLetterState.Discarded)
        {
            MustBeWaiting(letter);
            letter = await letters.ResolveAsync(letter, DeadLetterState.Discarded, context.CancellationToken);
            SagaLog.Discarded(log, letter.EventId, letter.Id);
        }
        return new() { DeadLetter = ToWire(letter) };
    }

    private async Task<DeadLetter> FindAsync(string id, CancellationToken ct)
    {
        new RequestCheck().Id("dead_letter_id", id).ThrowIfInvalid();
        return await letters.FindAsync(id, ct) ?? throw new RejectedException(Rejection.NotFound("dead_letter", id));
    }

    /// <summary>The event of a dead letter. Null: it can never be handled, and <paramref name="problem"/> says why.</summary>
    private IMessage? Parse(DeadLetter letter, out string problem)
    {
        problem = "";
        if (letter.Topic.Length == 0)
        {
            problem = $"It is not a CloudEvent: {Encoding.UTF8.GetString(letter.Data.AsSpan(0, Math.Min(100, letter.Data.Length)))}";
            return null;
        }
        if (subscriptions.OnRedriven(letter.Topic) is not { } handler)
        {
            problem = $"The topic {letter.Topic} is not subscribed to here.";
            return null;
        }
        try
        {
            return EventRules.Read(letter.Topic, () => handler.Parse(ByteString.CopyFrom(letter.Data)));
        }
        catch (UnreadableEventException unreadable)
        {
            problem = unreadable.Message;
            return null;
        }
    }

    private static void MustBeWaiting(DeadLetter letter)
    {
        if (letter.State != DeadLetterState.Waiting)
        {
            throw Rejected(letter, "DEAD_LETTER_IS_CLOSED", $"It was {letter.State.ToString().ToLowerInvariant()} before.");
        }
    }

    private static RejectedException Rejected(DeadLetter letter, string reason, string detail) =>
        new(Rejection.Precondition(($"dead_letter/{letter.Id}", new FailureReason(reason, detail))));

    private Shop.V1.DeadLetter ToWire(DeadLetter letter)
    {
        var canBeRedriven = Parse(letter, out var problem) is not null;
        return new()
        {
            DeadLetterId = letter.Id,
            AppId = appId.Name,
            // One of an older version may have longer ones.
            Topic = Shortened.To(DeadLetters.NameMax, letter.Topic),
            EventId = Shortened.To(DeadLetters.NameMax, letter.EventId),
            OrderId = letter.OrderId ?? "",
            State = letter.State switch
            {
                DeadLetterState.Waiting => Shop.V1.DeadLetterState.Waiting,
                DeadLetterState.Redriven => Shop.V1.DeadLetterState.Redriven,
                DeadLetterState.Discarded => Shop.V1.DeadLetterState.Discarded,
            },
            Problem = Shortened.To(DeadLetters.ReasonMax, letter.Problem ?? problem),
            CanBeRedriven = canBeRedriven,
            PublishedTime = letter.PublishedAt is { } publishedAt ? Timestamp.FromDateTimeOffset(publishedAt) : null,
            DeadLetteredTime = Timestamp.FromDateTimeOffset(letter.DeadLetteredAt),
            TraceId = letter.TraceId ?? "",
        };
    }
}
