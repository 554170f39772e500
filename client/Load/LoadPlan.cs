namespace Shop.Load;

/// <summary>Size and mix of a load. It ends when either limit is reached.</summary>
/// <param name="Orders">Maximum number of orders.</param>
/// <param name="Duration">Maximum time in which orders are placed.</param>
/// <param name="InFlight">Number of concurrent customers; each places its next order when the last is closed.</param>
/// <param name="Failing">Percentage of orders that are made to fail, 0 to 100.</param>
public sealed record LoadPlan(int Orders, TimeSpan Duration, int InFlight, int Failing);
