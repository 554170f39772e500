namespace Dapr.Client;

/// <summary>One state of many. A key that holds nothing has an empty value and an empty ETag.</summary>
public readonly struct BulkStateItem(string key, string value, string etag)
{
    public string Key { get; } = key;

    /// <summary>The stored JSON.</summary>
    public string Value { get; } = value;

    public string ETag { get; } = etag;
}

/// <summary>One state of many. A key that holds nothing has no value and an empty ETag.</summary>
public readonly struct BulkStateItem<TValue>(string key, TValue? value, string etag)
{
    public string Key { get; } = key;

    public TValue? Value { get; } = value;

    public string ETag { get; } = etag;
}
