namespace Shop.Doctor;

/// <summary>How to connect to a Redis.</summary>
/// <param name="Address">host:port.</param>
/// <param name="User">Empty: the default user.</param>
/// <param name="Password">Empty: none, or the component file refers to a secret store.</param>
internal sealed record RedisEndpoint(string Address, string User, string Password, bool Tls);
