using Daprd.Files;

namespace Daprd;

/// <summary>The version of daprd that is emulated: 1.18 or later.</summary>
/// <param name="Number">Three components.</param>
internal sealed record DaprVersion(Version Number)
{
    /// <summary>The environment variable used if the flag is not given.</summary>
    public const string Variable = "DAPR_RUNTIME_VERSION";

    public static readonly DaprVersion Default = new(new Version(1, 18, 1));

    private static readonly Version Oldest = new(1, 18);
    private static readonly Version KeepAlive = new(1, 19);

    /// <summary>A save with an ETag of a missing key is a conflict. Earlier and later versions create the key.</summary>
    public bool RefusesEtagOfMissingKey => Number is { Major: 1, Minor: 19, Build: 0 or 1 };

    /// <summary>pubsub.redis resets the idle time of queued and running entries, so that they are not reclaimed.</summary>
    public bool KeepsHeldEntriesAlive => Number >= KeepAlive;

    /// <summary>redeliverInterval may be a duration such as 5s; earlier versions read only plain milliseconds.</summary>
    public bool ReadsRedeliverIntervalAsDuration => Number >= KeepAlive;

    /// <summary>A single (non-bulk) event is given up at the processing timeout, during an attempt or between two.</summary>
    public bool EndsDeliveryAtProcessingTimeout => Number >= KeepAlive;

    /// <summary>Throws <see cref="ConfigurationException"/> if the text is not a supported version.</summary>
    public static DaprVersion Parse(string text) =>
        Version.TryParse(text, out var number) && number >= Oldest
            ? new DaprVersion(new Version(number.Major, number.Minor, Math.Max(0, number.Build)))
            : throw new ConfigurationException($"'{text}' is not a version of Dapr from 1.18 on, such as 1.19.0.");

    public override string ToString() => Number.ToString();
}
