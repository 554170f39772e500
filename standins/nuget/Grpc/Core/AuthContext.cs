namespace Grpc.Core;

/// <summary>Who the peer proved to be.</summary>
public class AuthContext
{
    private readonly Dictionary<string, List<AuthProperty>> properties;

    public AuthContext(string? peerIdentityPropertyName, Dictionary<string, List<AuthProperty>> properties)
    {
        ArgumentNullException.ThrowIfNull(properties);
        PeerIdentityPropertyName = peerIdentityPropertyName;
        this.properties = properties;
    }

    public bool IsPeerAuthenticated => PeerIdentityPropertyName is not null;

    public string? PeerIdentityPropertyName { get; }

    public IEnumerable<AuthProperty> PeerIdentity => PeerIdentityPropertyName is null ? [] : FindPropertiesByName(PeerIdentityPropertyName);

    public IEnumerable<AuthProperty> Properties => properties.Values.SelectMany(values => values);

    public IEnumerable<AuthProperty> FindPropertiesByName(string propertyName) =>
        properties.TryGetValue(propertyName, out var found) ? found : [];
}

public class AuthProperty
{
    private readonly byte[] value;

    private AuthProperty(string name, byte[] value)
    {
        Name = name;
        this.value = value;
    }

    public string Name { get; }

    public string Value => System.Text.Encoding.UTF8.GetString(value);

    public byte[] ValueBytes => [.. value];

    public static AuthProperty Create(string name, byte[] valueBytes)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(valueBytes);
        return new(name, [.. valueBytes]);
    }
}
