namespace Bench;

/// <summary>Measurements of one phase. A saga is an order from PlaceOrder to its final status.</summary>
/// <param name="CpuSecondsPerThousand">CPU seconds per 1,000 sagas, by process.</param>
/// <param name="CommandsPerSaga">Redis commands, by name.</param>
/// <param name="OperationsPerSaga">Operations of the sidecars, by kind.</param>
/// <param name="CallsPerSaga">gRPC calls, by service.</param>
internal sealed record PhaseResult(
    string Name, double AcceptedPerSecond, double SagasPerSecond, long Confirmed, long Failed, double P50Ms, double P99Ms, double MaxMs,
    IReadOnlyDictionary<string, double> CpuSecondsPerThousand, IReadOnlyDictionary<string, double> CommandsPerSaga,
    IReadOnlyDictionary<string, double> OperationsPerSaga, IReadOnlyDictionary<string, double> CallsPerSaga)
{
    /// <summary>CPU seconds per 1,000 sagas without the load generator.</summary>
    public double Cpu => CpuSecondsPerThousand.Where(process => process.Key != "driver").Sum(process => process.Value);

    public double Commands => CommandsPerSaga.Values.Sum();

    public double Operations => OperationsPerSaga.Values.Sum();

    public double Calls => CallsPerSaga.Values.Sum();
}
