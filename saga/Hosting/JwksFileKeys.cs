using Microsoft.IdentityModel.Tokens;

namespace Saga.Hosting;

/// <summary>The public keys of a JSON Web Key Set in a file, which is read again when it has changed: keys are rotated without a restart.</summary>
internal sealed class JwksFileKeys(string path)
{
    private readonly Lock gate = new();
    private (DateTime Changed, IList<SecurityKey> Keys)? read;

    /// <exception cref="InvalidOperationException">The file cannot be read any more.</exception>
    public IList<SecurityKey> Get()
    {
        lock (gate)
        {
            try
            {
                // Of the file itself: the time of a link, as Kubernetes mounts a secret, does not change with what it leads to.
                var file = new FileInfo(path);
                var changed = (file.ResolveLinkTarget(returnFinalTarget: true) ?? file).LastWriteTimeUtc;
                if (read is not { } known || known.Changed != changed) read = (changed, Read(path));
                return read.Value.Keys;
            }
            catch (Exception unreadable) when (IsUnreadable(unreadable))
            {
                throw new InvalidOperationException($"{path} is no JSON Web Key Set: {unreadable.Message}", unreadable);
            }
        }
    }

    /// <returns>What is wrong with the file. Null: it has keys.</returns>
    public static string? FindProblem(string path)
    {
        try
        {
            return Read(path).Count > 0 ? null : $"{Path.GetFullPath(path)} has no public key for signatures.";
        }
        catch (Exception unreadable) when (IsUnreadable(unreadable))
        {
            return $"{Path.GetFullPath(path)}: {unreadable.Message}";
        }
    }

    private static IList<SecurityKey> Read(string path) => JsonWebKeySet.Create(File.ReadAllText(path)).GetSigningKeys();

    private static bool IsUnreadable(Exception fault) => fault is IOException or UnauthorizedAccessException or ArgumentException;
}
