using Payments;
using Shop.V1;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "payments", grpcPort: 5003, PaymentJsonContext.Default);
    builder.ListenHttp("HTTP_PORT", 8083);
    builder.AddParticipant<Payments.Account>(Payments.Account.KeyOf);

    // Events from the broker.
    builder.AddSubscriptions<PaymentHandlers>((events, payments) => events
        .On<OrderCreatedEvent>(payments.ChargeAsync, "charge payment", payments.RecoverDeadLetteredAsync)
        .On<OrderConfirmedEvent>(payments.SettleAsync, "settle payment")
        .On<OrderFailedEvent>(payments.RefundAsync, "refund payment"));
    var app = builder.Build();

    // Calls of clients, and of Orders.
    app.MapGrpcService<Payments.PaymentService>();
    app.MapSaga();

    return app;
});
