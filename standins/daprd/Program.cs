using System.Runtime.InteropServices;
using Daprd;
using Daprd.Files;
using Daprd.Invocation;
using Daprd.Runner;

const string Usage = """
    A stand-in for daprd and 'dapr run', for local use. It is not Dapr.

      daprd run -f <dapr.yaml or its folder> [--embedded] [--resources-path <folder>]
          runs all apps of the file, each with a sidecar
      daprd --app-id <id> [--app-port <port> --app-protocol grpc] [--dapr-grpc-port 50001] [--dapr-http-port 3500]
            [--resources-path <folder>] [--config <file>] [--embedded]
          runs one sidecar

    --embedded replaces Redis components by in-memory ones.
    --dapr-version 1.19.0, or DAPR_RUNTIME_VERSION, behaves as that daprd instead of 1.18.1.
    """;

// The proxy of the environment is not for addresses of this machine.
Environment.SetEnvironmentVariable("no_proxy",
    $"{Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY")},localhost,127.0.0.1,[::1]");

using var stopping = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

try
{
    var isRun = args is ["run", ..];
    var arguments = Arguments.Parse(isRun ? args.AsSpan(1) : args);
    if (args.Length == 0 || arguments.Has("help"))
    {
        Console.WriteLine(Usage);
        return args.Length == 0 ? 1 : 0;
    }

    if (arguments.Has("version"))
    {
        Console.WriteLine(arguments.DaprVersion());
        return 0;
    }

    return isRun ? await RunAllAsync(arguments) : await RunOneAsync(arguments);
}
catch (ConfigurationException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 1;
}
catch (Exception problem) when (problem is ArgumentException or FormatException or IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"A file, a flag or an address in them cannot be used: {problem.Message.ReplaceLineEndings(" ")}");
    return 1;
}

void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stopping.Cancel();
}

async Task<int> RunAllAsync(Arguments arguments)
{
    var console = new PrefixedConsole(Console.Out);
    var file = RunFile.Read(arguments.Text("run-file", "."), arguments.All("resources-path"), console.Dapr);
    return await new Run(file, arguments, console).RunAsync(stopping.Token);
}

async Task<int> RunOneAsync(Arguments arguments)
{
    var options = arguments.ToSidecarOptions();
    if (options.Problem() is { } problem) throw new ConfigurationException(problem);
    var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    using var stopped = stopping.Token.Register(ended.SetResult);
    var sidecar = new Sidecar(options, new SharedMemory(), new LocalApps(), new SidecarLog(options.AppId, Console.Out));
    var isGraceful = false;
    try
    {
        await sidecar.StartAsync();
        await ended.Task;
    }
    finally
    {
        isGraceful = await sidecar.StopAsync();
    }

    return isGraceful ? 0 : 1;
}
