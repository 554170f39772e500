using Saga.Hosting;
using Saga.Reservations;
using Tickets;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "tickets-app", grpcPort: 5006, TicketsJson.Default);
    builder.ListenHttp("HTTP_PORT", 8086);
    builder.AddStep(TicketsPool.KeyOf, new StepDecisions<TicketsPool>(TicketsDecisions.ToLines, TicketsDecisions.Reject));
    var app = builder.Build();
    app.MapGrpcService<TicketsService>();
    app.MapSaga();
    return app;
});
