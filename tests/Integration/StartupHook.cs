using System.Diagnostics;

/// <summary>Runs at the start of a service when DOTNET_STARTUP_HOOKS names this assembly: writes a line for every activity that is started.</summary>
/// <remarks>The runtime demands this name, without a namespace. It listens to nothing: what is listened to is made.</remarks>
internal static class StartupHook
{
    public const string Line = "An activity was started: ", Trial = "trial";

    public static void Initialize()
    {
        Activity.CurrentChanged += (_, change) =>
        {
            if (change.Current is { } started) Console.Error.WriteLine($"{Line}{started.OperationName}");
        };
        new Activity(Trial).Start().Stop();
    }
}
