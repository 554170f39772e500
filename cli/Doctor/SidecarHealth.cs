namespace Shop.Doctor;

/// <summary>The health of a sidecar by its HTTP API.</summary>
/// <param name="Health">HTTP status of /v1.0/healthz. Null: no answer.</param>
/// <param name="Body">Body of that answer.</param>
/// <param name="Outbound">HTTP status of /v1.0/healthz/outbound, all that the shop's services need. Null: no answer.</param>
internal sealed record SidecarHealth(string AppId, string Address, int? Health, string Body, int? Outbound)
{
    public bool IsReady => Health is >= 200 and < 300;

    public bool CanBeCalled => Outbound is >= 200 and < 300;
}
