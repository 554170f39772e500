namespace Saga.Dapr;

/// <summary>Text of bounded length, for reasons that repeat what a client or a publisher has sent.</summary>
internal static class Shortened
{
    /// <returns>The text, or its beginning and an ellipsis. No surrogate pair is cut in half.</returns>
    public static string To(int max, string text)
    {
        if (text.Length <= max) return text;
        var end = max - 3;
        if (char.IsHighSurrogate(text[end - 1])) end--;
        return $"{text.AsSpan(0, end)}...";
    }
}
