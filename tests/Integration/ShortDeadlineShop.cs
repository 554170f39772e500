namespace Integration;

/// <summary>A shop with a short deadline, after which sweeps check reservations.</summary>
public sealed class ShortDeadlineShop : RunningShop
{
    public ShortDeadlineShop() => Environment["Saga__Deadline"] = "00:00:05";
}
