namespace ShopConsole;

/// <summary>The log events of the console. Ids 500 to 599.</summary>
internal static partial class ConsoleLog
{
    [LoggerMessage(500, LogLevel.Information, "The stream of order changes is open.", EventName = "FeedOpened")]
    public static partial void FeedOpened(ILogger log);

    [LoggerMessage(501, LogLevel.Warning, "The stream of order changes ended and is reopened until Orders answers: {Problem}", EventName = "FeedLost")]
    public static partial void FeedLost(ILogger log, string problem);
}
