using Points;
using Saga.Hosting;
using Saga.Reservations;

return await SagaHost.RunToExitAsync(() =>
{
    var builder = SagaHost.CreateBuilder(args, "points", grpcPort: 5006, PointsJsonContext.Default);
    builder.ListenHttp("HTTP_PORT", 8086);
    builder.AddStep(Member.KeyOf, new StepDecisions<Member>(PointsDecisions.ToLines, PointsDecisions.Reject, PointsDecisions.Create));
    var app = builder.Build();
    app.MapGrpcService<PointsService>();
    app.MapSaga();
    return app;
});
