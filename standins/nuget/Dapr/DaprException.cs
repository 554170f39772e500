namespace Dapr;

/// <summary>The sidecar refused or failed; why is in the inner exception, an RpcException when the sidecar said it.</summary>
public class DaprException : Exception
{
    public DaprException(string message)
        : base(message)
    {
    }

    public DaprException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
