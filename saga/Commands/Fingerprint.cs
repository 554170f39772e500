using System.Security.Cryptography;
using System.Text;

namespace Saga.Commands;

/// <summary>A content hash for comparing requests and for deterministic ids.</summary>
public static class Fingerprint
{
    /// <returns>96 bits of SHA-256 in 24 hex digits.</returns>
    public static string Of(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 12));

    /// <inheritdoc cref="Of(ReadOnlySpan{byte})"/>
    public static string Of(string content) => Of(Encoding.UTF8.GetBytes(content));
}
