namespace Daprd.Files;

/// <summary>A file says something that cannot be followed. The message is one sentence for the person who wrote it.</summary>
internal sealed class ConfigurationException(string message) : Exception(message);
