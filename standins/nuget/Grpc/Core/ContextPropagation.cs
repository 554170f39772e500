namespace Grpc.Core;

/// <summary>Carries a parent call's deadline and cancellation to a child call. This server makes none.</summary>
public abstract class ContextPropagationToken
{
    internal ContextPropagationToken()
    {
    }
}

public class ContextPropagationOptions(bool propagateDeadline = true, bool propagateCancellation = true)
{
    public static readonly ContextPropagationOptions Default = new();

    public bool IsPropagateDeadline { get; } = propagateDeadline;

    public bool IsPropagateCancellation { get; } = propagateCancellation;
}
