namespace Daprd.Files;

/// <summary>A file, flag or port is invalid. The message is one sentence for the user.</summary>
internal sealed class ConfigurationException(string message) : Exception(message);
