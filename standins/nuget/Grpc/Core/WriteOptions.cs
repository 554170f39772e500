namespace Grpc.Core;

[Flags]
public enum WriteFlags
{
    /// <summary>The message may wait for the next one before it is sent.</summary>
    BufferHint = 0x1,

    NoCompress = 0x2,
}

public class WriteOptions(WriteFlags flags = 0)
{
    public static readonly WriteOptions Default = new();

    public WriteFlags Flags { get; } = flags;
}
