using Grpc.Core;

namespace ShopConsole;

/// <summary>The options of unary calls.</summary>
internal static class Calls
{
    /// <summary>A service that takes longer counts as not answering.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public static CallOptions Options(TimeProvider clock, CancellationToken ct) =>
        new(deadline: clock.GetUtcNow().UtcDateTime + Timeout, cancellationToken: ct);
}
