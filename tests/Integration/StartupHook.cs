using System.Diagnostics;

/// <summary>Runs at the start of a service when DOTNET_STARTUP_HOOKS names this assembly: writes a line for each activity that is started.</summary>
/// <remarks>The runtime requires this name, without a namespace. There is no ActivityListener here, which would cause activities to be created.</remarks>
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
