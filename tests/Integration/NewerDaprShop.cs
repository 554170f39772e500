namespace Integration;

/// <summary>The shop on sidecars that behave as Dapr 1.19.0.</summary>
public sealed class NewerDaprShop : RunningShop
{
    public NewerDaprShop() => Environment["DAPR_RUNTIME_VERSION"] = "1.19.0";
}
