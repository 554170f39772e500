using Daprd.Files;

namespace Daprd;

/// <summary>The version of daprd whose behaviour is played: 1.18 or later.</summary>
/// <param name="Number">Of three parts.</param>
internal sealed record DaprVersion(Version Number)
{
    /// <summary>The environment variable that says it where no flag does.</summary>
    public const string Variable = "DAPR_RUNTIME_VERSION";

    public static readonly DaprVersion Default = new(new Version(1, 18, 1));

    private static readonly Version Oldest = new(1, 18);
    private static readonly Version KeepAlive = new(1, 19);

    /// <summary>A save with an ETag of a key that is not there is a conflict. Before and after, it makes the key.</summary>
    public bool RefusesEtagOfMissingKey => Number is { Major: 1, Minor: 19, Build: 0 or 1 };

    /// <summary>What pubsub.redis holds, waiting or being handled, does not age in the eyes of those who look for abandoned entries.</summary>
    public bool KeepsHeldEntriesAlive => Number >= KeepAlive;

    /// <summary>redeliverInterval may be a duration such as 5s; before, only plain milliseconds count.</summary>
    public bool ReadsRedeliverIntervalAsDuration => Number >= KeepAlive;

    /// <summary>An event that comes alone is given up when the processing timeout is over, in the middle of an attempt or between two.</summary>
    public bool EndsDeliveryAtProcessingTimeout => Number >= KeepAlive;

    /// <summary>Throws <see cref="ConfigurationException"/>, with one sentence, when the text is no version that can be played.</summary>
    public static DaprVersion Parse(string text) =>
        Version.TryParse(text, out var number) && number >= Oldest
            ? new DaprVersion(new Version(number.Major, number.Minor, Math.Max(0, number.Build)))
            : throw new ConfigurationException($"'{text}' is not a version of Dapr from 1.18 on, such as 1.19.0.");

    public override string ToString() => Number.ToString();
}
