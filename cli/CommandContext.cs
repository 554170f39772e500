using System.CommandLine;
using Google.Protobuf;

namespace Shop;

/// <summary>One run of a command: its arguments, the clients of the shop, and cancellation by Ctrl-C.</summary>
internal sealed record CommandContext(ParseResult Parsed, ShopClients Shop, CancellationToken CancellationToken)
{
    // Default values included: a script can rely on every field.
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    public bool Json => Parsed.GetValue(CommandLine.Json);

    public T GetValue<T>(Option<T> option) => Parsed.GetValue(option)!;

    public T GetValue<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <summary>Writes a response: with --json as one line of JSON, otherwise by <paramref name="print"/>.</summary>
    public void Write(IMessage response, Action print)
    {
        if (Json) Console.WriteLine(ToJson(response));
        else print();
    }

    public static string ToJson(IMessage message) => Formatter.Format(message);
}
