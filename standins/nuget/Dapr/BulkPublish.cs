namespace Dapr.Client;

/// <summary>Which of the events were not published; the others were.</summary>
public class BulkPublishResponse<TValue>(List<BulkPublishResponseFailedEntry<TValue>> failedEntries)
{
    public List<BulkPublishResponseFailedEntry<TValue>> FailedEntries { get; } = failedEntries;
}

public class BulkPublishResponseFailedEntry<TValue>(BulkPublishEntry<TValue> entry, string errorMessage)
{
    public BulkPublishEntry<TValue> Entry { get; } = entry;

    public string ErrorMessage { get; } = errorMessage;
}

public class BulkPublishEntry<TValue>(
    string entryId, TValue eventData, string contentType, IReadOnlyDictionary<string, string>? metadata = default)
{
    /// <summary>Unique within its request; here, the event's place in the list.</summary>
    public string EntryId { get; } = entryId;

    public TValue EventData { get; } = eventData;

    public string ContentType { get; } = contentType;

    public IReadOnlyDictionary<string, string>? Metadata { get; } = metadata;
}
