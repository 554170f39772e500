using Shop;

// The proxy of the environment is not for addresses of this machine.
Environment.SetEnvironmentVariable("no_proxy",
    $"{Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY")},localhost,127.0.0.1,[::1]");

Terminal.Initialize();
return await ShopCommand.RunAsync(args);
