using System.CommandLine;
using Google.Protobuf;

namespace Shop;

/// <summary>One run of a command: its arguments, the clients of the shop, and cancellation by Ctrl-C.</summary>
internal sealed record CommandContext(ParseResult Parsed, ShopClients Shop, CancellationToken CancellationToken)
{
    // Default values included: a script can rely on every field.
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    private readonly string generatedKey = Guid.CreateVersion7().ToString();

    /// <summary>What a call that was sent and not answered may have done, and what to do about it. Empty: nothing.</summary>
    public string PossibleEffect { get; set; } = "";

    public bool Json => Parsed.GetValue(CommandLine.Json);

    public T GetValue<T>(Option<T> option) => Parsed.GetValue(option)!;

    public T GetValue<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <returns>0: it is not given.</returns>
    public long GetNumber(Option<long?> option) => Parsed.GetValue(option) ?? 0;

    /// <summary>The idempotency key of this run, also for <see cref="PossibleEffect"/>.</summary>
    /// <param name="key">Of <see cref="CommandLine.Key"/>.</param>
    /// <param name="effect">What the command does, such as "order may have been placed".</param>
    public string GetKey(Option<string> key, string effect)
    {
        var value = Parsed.GetValue(key) is { Length: > 0 } given ? given : generatedKey;
        PossibleEffect = $"The {effect}; repeat the command with --key {value}: it is done once.";
        return value;
    }

    /// <summary>Writes a response: with --json as one line of JSON, otherwise by <paramref name="print"/>.</summary>
    public void Write(IMessage response, Action print)
    {
        if (Json) Console.WriteLine(ToJson(response));
        else print();
    }

    public static string ToJson(IMessage message) => Formatter.Format(message);
}
