using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Payments;

internal sealed class PaymentService(
    ISidecar sidecar, DocumentStore documents, IdempotentCommands commands, IdIndex index, DocumentList list, Participant<Account> participant)
    : Shop.V1.PaymentService.PaymentServiceBase
{
    private static readonly IdGroup Index = new("accounts", Shards: 64);
    private const long DepositMax = 1_000_000_000_000;

    public override async Task<Shop.V1.OpenAccountResponse> OpenAccount(Shop.V1.OpenAccountRequest request, ServerCallContext context)
    {
        new RequestCheck()
            .Id("user_id", request.UserId)
            .Range("initial_deposit", request.InitialDeposit, 0, DepositMax)
            .IdempotencyKey(request.IdempotencyKey)
            .ThrowIfInvalid();
        await index.AddAsync(Index, request.UserId, context.CancellationToken);
        return await commands.RunAsync<Account, Shop.V1.OpenAccountResponse>(Account.KeyOf(request.UserId), request.IdempotencyKey, request, Caller.Of(context), kept =>
        {
            if (kept is not null) return Rejection.AlreadyExists("account", request.UserId);
            var account = new Account(request.UserId, Holdings.Of(request.InitialDeposit), []);
            return new(account, new() { Account = ToWire(account) }, null);
        }, context.CancellationToken);
    }

    public override async Task<Shop.V1.DepositResponse> Deposit(Shop.V1.DepositRequest request, ServerCallContext context)
    {
        new RequestCheck()
            .Id("user_id", request.UserId)
            .Range("amount", request.Amount, 1, DepositMax)
            .IdempotencyKey(request.IdempotencyKey)
            .ThrowIfInvalid();
        return await commands.RunAsync<Account, Shop.V1.DepositResponse>(Account.KeyOf(request.UserId), request.IdempotencyKey, request, Caller.Of(context), kept =>
        {
            if (kept is null) return Rejection.NotFound("account", request.UserId);
            var account = kept.With(kept.Holdings.Add(request.Amount));
            return new(account, new() { Account = ToWire(account) }, null);
        }, context.CancellationToken);
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.GetAccountResponse> GetAccount(Shop.V1.GetAccountRequest request, ServerCallContext context)
    {
        new RequestCheck().Id("user_id", request.UserId).ThrowIfInvalid();
        Caller.Of(context).MustBe("user_id", request.UserId);
        var account = (await sidecar.ReadAsync<Account>(Account.KeyOf(request.UserId), context.CancellationToken)).Value
            ?? throw new RejectedException(Rejection.NotFound("account", request.UserId));
        return new() { Account = ToWire(account) };
    }

    [Allow(Role.Operator, Role.App + "orders")]
    public override async Task<Shop.V1.BatchGetAccountsResponse> BatchGetAccounts(Shop.V1.BatchGetAccountsRequest request, ServerCallContext context)
    {
        new RequestCheck().Ids("user_ids", request.UserIds).ThrowIfInvalid();
        var found = await documents.ReadAndCacheAsync<Account>([.. request.UserIds.Select(Account.KeyOf)], context.CancellationToken);
        var response = new Shop.V1.BatchGetAccountsResponse();
        foreach (var (id, account) in request.UserIds.Zip(found))
        {
            if (account is null) response.MissingUserIds.Add(id);
            else response.Accounts.Add(ToWire(account));
        }
        return response;
    }

    public override async Task<Shop.V1.ListAccountsResponse> ListAccounts(Shop.V1.ListAccountsRequest request, ServerCallContext context)
    {
        new RequestCheck().Page(request.PageSize, request.PageToken).ThrowIfInvalid();
        var (ids, next) = await index.ReadPageAsync(Index, request.PageToken, RequestCheck.GetPageSize(request.PageSize), context.CancellationToken);
        var (accounts, unreadable) = await list.ReadAsync<Account>(ids, Account.KeyOf, context.CancellationToken);
        return new() { Accounts = { accounts.Select(ToWire) }, UnreadableUserIds = { unreadable }, NextPageToken = next };
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.GetPaymentResponse> GetPayment(Shop.V1.GetPaymentRequest request, ServerCallContext context)
    {
        new RequestCheck().OrderId(request.OrderId).ThrowIfInvalid();
        var caller = Caller.Of(context);
        var reservation = await participant.FindAsync(request.OrderId.ToLowerInvariant(), context.CancellationToken, onlyOf: caller.IsOperator ? null : caller.UserId)
            ?? throw new RejectedException(Rejection.NotFound("payment", request.OrderId));
        if (!caller.MaySee(reservation.Lines[0].ResourceId)) throw new RejectedException(Rejection.NotFound("payment", request.OrderId));
        return new()
        {
            Payment = new()
            {
                OrderId = reservation.OrderId,
                PaymentId = PaymentDecisions.ToPaymentId(reservation.OrderId),
                UserId = reservation.Lines[0].ResourceId,
                Amount = reservation.Lines[0].Amount,
                Status = reservation.Status switch
                {
                    ReservationStatus.Reserved => Shop.V1.PaymentStatus.Charged,
                    ReservationStatus.Rejected => Shop.V1.PaymentStatus.Declined,
                    ReservationStatus.Released => Shop.V1.PaymentStatus.Refunded,
                    ReservationStatus.Settled => Shop.V1.PaymentStatus.Settled,
                },
                Reason = reservation.RejectionReason?.Reason ?? "",
                Detail = reservation.RejectionReason?.Detail ?? "",
                UpdateTime = Timestamp.FromDateTimeOffset(reservation.Changed),
            },
        };
    }

    private static Shop.V1.Account ToWire(Account account) => new()
    {
        UserId = account.UserId,
        Balance = account.Holdings.Available,
        Held = account.Holdings.Held,
        Spent = account.Holdings.Consumed,
        Deposited = account.Holdings.Total,
    };
}
