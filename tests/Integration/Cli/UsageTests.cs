using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Shop;
using Shop.V1;

namespace Integration.Cli;

/// <summary>Parsing, help and completion, without a shop.</summary>
public sealed class UsageTests
{
    public static TheoryData<string> Commands => [.. GetLeaves(ShopCommand.Root(), "shop").Select(leaf => leaf.Path)];

    [Theory, MemberData(nameof(Commands))]
    public void Every_command_has_a_valid_example(string path)
    {
        var (_, command) = GetLeaves(ShopCommand.Root(), "shop").Single(leaf => leaf.Path == path);
        var examples = command.Description!.Split('\n').Select(line => line.Trim())
            .Where(line => line.StartsWith("shop ", StringComparison.Ordinal)).ToArray();
        if (path == "shop completion") examples = ["shop completion bash"];
        Assert.NotEmpty(examples);
        foreach (var example in examples)
        {
            Assert.StartsWith($"{path}", example);
            var parsed = ShopCommand.Root().Parse(example.Split('|')[0]["shop ".Length..].Replace('\'', '"'));
            Assert.True(parsed.Errors.Count == 0, $"{example}: {string.Join(' ', parsed.Errors)}");
        }
    }

    [Theory]
    [InlineData("order place mina", "--item")]
    [InlineData("order place --item lamp", "argument missing")]
    [InlineData("orders --status lost", "lost")]
    [InlineData("orders --limit 0", "--limit")]
    [InlineData("orders --open --status failed", "--open and --status")]
    [InlineData("coupon issue mina", "--won-off or --percent-off")]
    [InlineData("coupon issue mina --won-off 1 --percent-off 1", "--won-off or --percent-off")]
    [InlineData("orders --orders nowhere", "--orders")]
    [InlineData("account deposit mina 1000 --key ''", "--key must not be empty")]
    [InlineData("order place mina --item lamp --coupon ''", "--coupon must not be empty")]
    [InlineData("coupon issue mina --won-off 1 --valid-until 03/04/2030", "--valid-until must be a date such as 2030-12-31")]
    [InlineData("coupon issue mina --won-off 1 --valid-until 10:30", "--valid-until must be a date such as 2030-12-31")]
    [InlineData("load -n 100001", "--count must be 1 to 100000")]
    [InlineData("load --in-flight 201", "--in-flight")]
    [InlineData("load --stock http://192.0.2.1:5002", "on this machine")]
    [InlineData("doctor --stock-sidecar x", "--stock-sidecar")]
    [InlineData("completion fish", "fish")]
    [InlineData("sell", "sell")]
    [InlineData("", "command")]
    public async Task Wrong_usage_prints_one_line_and_exits_with_2(string words, string message)
    {
        var run = await CliRun.WithoutAddressesAsync([.. words.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word == "''" ? "" : word)]);
        Assert.Equal(2, run.Exit);
        Assert.Contains(message, run.Error);
        Assert.Single(run.Error.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("shop or", "order orders")]
    [InlineData("shop order pl", "place")]
    [InlineData("shop orders --status ", "confirmed failed pending")]
    [InlineData("shop dead-letters redrive --dry", "--dry-run")]
    [InlineData("shop load --in", "--in-flight")]
    [InlineData("shop order place mina --item lamp --wa", "--watch --watch-timeout")]
    [InlineData("shop order place mina --watch --item lamp --ke", "--key")]
    [InlineData("shop orders --status failed --li", "--limit")]
    [InlineData("shop orders --open --li", "--limit")]
    public async Task Bash_completes_commands_options_and_values(string line, string expected)
    {
        var words = line.Split(' ');
        var script = $$"""
            shop() { dotnet {{RunningShop.ProgramOf("Shop")}} "$@"; }
            source <(shop completion bash)
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_CWORD={{words.Length - 1}} COMP_WORDS=({{string.Join(' ', words.Select(word => $"'{word}'"))}})
            _shop
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        var run = await CliRun.RunAsync("bash", ["-c", script]);
        Assert.Equal(expected.Split(' '), run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    public static TheoryData<string, string> NumbersAndDurations
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var (path, command) in GetLeaves(ShopCommand.Root(), "shop"))
            {
                foreach (var option in command.Options.Where(option => !Texts.Contains(option.ValueType))) all.Add(path, option.Name);
                foreach (var argument in command.Arguments.Where(argument => !Texts.Contains(argument.ValueType))) all.Add(path, argument.Name);
            }
            all.Add("shop orders", "--timeout");
            return all;
        }
    }

    [Theory, MemberData(nameof(NumbersAndDurations))]
    public void A_wrong_number_time_or_duration_is_named_with_what_is_allowed_and_an_example(string path, string name)
    {
        string[] wrong = ["", " ", "x", "1x", "-99999999999999999999999", new('9', 5000), "1e3", "0x10", "\u0663", "1,000"];
        foreach (var value in wrong)
        {
            var words = path.Split(' ')[1..];
            string[] all = name.StartsWith('-') ? [.. words, name, value] : [.. words, "some", value];
            if (path == "shop coupon issue" && name is not ("--won-off" or "--percent-off")) all = [.. all, "--won-off", "1"];
            var errors = ShopCommand.Root().Parse(all).Errors.Select(error => error.Message).ToArray();
            Assert.Contains(errors, error => error.StartsWith($"{name} must be ", StringComparison.Ordinal) && error.Contains("such as") && error.Length < 300);
        }
    }

    [Theory]
    [InlineData("mouse", "mouse", 1)]
    [InlineData("mouse:2", "mouse", 2)]
    [InlineData("mouse:1000", "mouse", 1000)]
    [InlineData("sku:2:1", "sku:2", 1)]
    [InlineData("sku:a:b:007", "sku:a:b", 7)]
    public void The_quantity_of_an_item_is_what_follows_the_last_colon(string text, string product, int quantity)
    {
        var parsed = ShopCommand.Root().Parse(["order", "place", "mina", "--item", text]);
        Assert.Empty(parsed.Errors);
        var item = Assert.Single(parsed.GetValue<OrderItem[]>("--item")!);
        Assert.Equal((product, quantity), (item.ProductId, item.Quantity));
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData(":2")]
    [InlineData("sku:")]
    [InlineData("sku:two")]
    [InlineData("sku:2:x")]
    [InlineData("sku:0")]
    [InlineData("sku:-1")]
    [InlineData("sku:1001")]
    [InlineData("sku:99999999999999999999")]
    [InlineData("sku: 2")]
    public void A_wrong_item_is_answered_with_the_syntax_and_an_example(string text)
    {
        var error = Assert.Single(ShopCommand.Root().Parse(["order", "place", "mina", "--item", text]).Errors);
        Assert.StartsWith("--item must be product[:quantity] with a quantity of 1 to 1000, such as mouse:2, not ", error.Message);
        Assert.Contains("sku:2:1 for one piece of sku:2", error.Message);
    }

    [Theory]
    [InlineData("500ms", 0.5)]
    [InlineData("30", 30)]
    [InlineData("30s", 30)]
    [InlineData("1.5", 1.5)]
    [InlineData("2m", 120)]
    [InlineData("1h", 3600)]
    public void The_timeout_is_seconds_or_a_duration_before_or_after_the_command(string text, double seconds)
    {
        foreach (var words in (string[][])[["--timeout", text, "orders"], ["orders", "--timeout", text], ["wait", "--timeout", text]])
        {
            var parsed = ShopCommand.Root().Parse(words);
            Assert.Empty(parsed.Errors);
            Assert.Equal(TimeSpan.FromSeconds(seconds), parsed.GetValue<TimeSpan?>("--timeout"));
        }
    }

    [Fact]
    public async Task A_call_that_is_not_answered_ends_and_a_command_with_an_effect_says_what_may_have_happened()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}";
        (string Words, string Effect)[] all =
        [
            ("order place mina --item lamp --key k1", "The order may have been placed; repeat the command with --key k1: it is done once."),
            ("order place mina --item lamp", "The order may have been placed; repeat the command with --key 0"),
            ("order cancel ORD-1", "The order may have been cancelled; repeat the command: it is done once."),
            ("product put lamp --name Lamp --price 1", "The product may have been put; repeat the command with --key"),
            ("product adjust lamp 1", "The stock may have been adjusted; repeat the command with --key"),
            ("account open mina", "The account may have been opened; repeat the command with --key"),
            ("account deposit mina 1", "The money may have been deposited; repeat the command with --key"),
            ("coupon issue mina --won-off 1", "The coupon may have been issued; repeat the command with --key"),
            ("dead-letters redrive 1", "It may have been handled; ./shop dead-letters show 1"),
            ("dead-letters discard 1", "It may have been discarded; ./shop dead-letters show 1"),
            ("fill", "Some of it may have been created; repeat the command: nothing is created twice."),
            ("product list", ""),
        ];
        await Task.WhenAll(all.Select(async one =>
        {
            var run = await CliRun.WithoutAddressesAsync([.. one.Words.Split(' '), "--timeout", "200ms", .. GetAddressOptions(address)]);
            Assert.True(run.Exit == 3, $"{one.Words}: {run}");
            Assert.Contains("A call was not answered within 0.2 s (--timeout).", Assert.Single(run.Error.Trim().Split('\n')));
            Assert.Contains(one.Effect, run.Error);
            Assert.Equal(one.Effect.Length > 0, run.Error.Contains("may have been"));
        }));
    }

    [Theory]
    [InlineData("orders", "8080"), InlineData("order show ORD-1", "50001")]
    public async Task An_address_where_something_else_answers_is_named(string words, string what)
    {
        // Neither answers as gRPC does: one nothing but HTTP/1, the other nothing that is HTTP.
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var answering = Task.Run(async () =>
        {
            while (true)
            {
                using var client = await other.AcceptTcpClientAsync();
                await client.GetStream().WriteAsync(what == "8080" ? "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"u8.ToArray() : "-ERR unknown command\r\n"u8.ToArray());
            }
        });
        var run = await CliRun.WithoutAddressesAsync([.. words.Split(' '), .. GetAddressOptions($"http://127.0.0.1:{((IPEndPoint)other.LocalEndpoint).Port}")]);
        other.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => answering);
        Assert.Equal(3, run.Exit);
        Assert.Contains("does not answer. Start it (./run.sh starts all), or say where it is with --orders.", Assert.Single(run.Error.Trim().Split('\n')));
    }

    [Theory, InlineData("schlüssel"), InlineData("a\nb"), InlineData("two words")]
    public async Task A_token_that_is_none_is_named_and_not_printed(string token)
    {
        var run = await CliRun.RunAsync("dotnet", [RunningShop.ProgramOf("Shop"), "orders"], token);
        Assert.Equal((2, "SHOP_TOKEN must be a token: at most 16384 visible ASCII characters."), (run.Exit, run.Error.Trim()));
    }

    [Theory]
    [InlineData("product list --help >/dev/full", "The output cannot be written: No space left on device")]
    [InlineData("completion bash >/dev/full", "The output cannot be written: No space left on device")]
    [InlineData("nope 2>/dev/full", "")]
    [InlineData("doctor --components ''", "--components must be a folder, such as components. See --help.")]
    public async Task An_output_that_cannot_be_written_and_a_folder_without_a_name_end_in_a_sentence(string words, string sentence)
    {
        var run = await CliRun.RunAsync("bash", ["-c", $"dotnet '{RunningShop.ProgramOf("Shop")}' {words}"]);
        Assert.InRange(run.Exit, 1, 2);
        Assert.StartsWith(sentence, run.Error.Trim());
        Assert.DoesNotContain("   at ", run.Output + run.Error);
    }

    [Fact]
    public async Task Folders_are_those_of_the_caller_and_keys_that_are_there_stay()
    {
        var caller = Directory.CreateTempSubdirectory("caller-");
        try
        {
            var command = $"cd '{caller.FullName}'; '{Path.Combine(RunningShop.Root, "shop")}' dev-token mina --folder keys";
            Assert.Equal(0, (await CliRun.RunAsync("bash", ["-c", command])).Exit);
            var keys = new FileInfo(Path.Combine(caller.FullName, "keys", "jwks.json"));
            var written = keys.LastWriteTimeUtc;
            Assert.True(keys.Exists);
            Assert.Equal(0, (await CliRun.RunAsync("bash", ["-c", command])).Exit);
            keys.Refresh();
            Assert.Equal(written, keys.LastWriteTimeUtc);
            Assert.Equal(2, keys.Directory!.GetFiles().Length);
        }
        finally
        {
            caller.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(0, "-LOADING Redis is loading the dataset in memory", "+PONG")]
    [InlineData(0, "-MISCONF Redis is configured to save RDB snapshots", "")]
    [InlineData(1, "HTTP/1.1 400 Bad Request", "")]
    public async Task A_Redis_that_loads_is_waited_for_and_one_that_refuses_is_there(int exit, string first, string then)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var run = CliRun.RunAsync("bash", ["-c", $". '{Path.Combine(RunningShop.Root, "needs.sh")}'; redis_answers {((IPEndPoint)listener.LocalEndpoint).Port}"]);
        foreach (var answer in (string[])[first, .. then.Length > 0 ? [then] : Array.Empty<string>()])
        {
            using var client = await listener.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromMinutes(1));
            await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{answer}\r\n"));
            // Until it leaves.
            while (await client.GetStream().ReadAsync(new byte[64]) > 0)
            {
            }
        }
        Assert.Equal(exit, (await run).Exit);
    }

    [Fact]
    public async Task A_call_that_could_not_be_sent_had_no_effect()
    {
        var run = await CliRun.WithoutAddressesAsync(
            ["order", "place", "mina", "--item", "lamp", .. GetAddressOptions($"http://127.0.0.1:{FreePort.Take()}")]);
        Assert.Equal(3, run.Exit);
        Assert.Contains("does not answer", run.Error);
        Assert.DoesNotContain("may have been", run.Error);
    }

    [Fact]
    public async Task The_audit_names_a_list_that_cannot_be_read_with_the_reason()
    {
        await using var shop = await ScriptedShop.StartAsync("x");
        await using var stock = await AnswerAllAsync(async http =>
        {
            if (http.Request.Path == "/grpc.health.v1.Health/Check")
            {
                // SERVING, after a compression flag and four bytes of length.
                await http.Response.Body.WriteAsync(new byte[] { 0, 0, 0, 0, 2, 8, 1 });
                http.Response.AppendTrailer("grpc-status", "0");
                return;
            }
            http.Response.Headers["grpc-status"] = $"{(int)StatusCode.DataLoss}";
            http.Response.Headers["grpc-message"] = "products:57 is corrupt";
        });
        var others = shop.Options.ElementAt(1);
        var run = await CliRun.WithoutAddressesAsync(
            ["audit", "--orders", others, "--stock", stock.Urls.Single(), "--payments", others, "--coupons", others]);
        Assert.Equal(1, run.Exit);
        Assert.Contains("a list of Stock: Stock cannot read it", run.Output);
        Assert.Contains("Not read: Stock: DATA_LOSS: products:57 is corrupt", run.Error);
    }

    [Fact]
    public async Task An_aborted_command_says_what_may_have_happened_also_with_details_that_are_none()
    {
        await using var app = await AnswerAllAsync(http =>
        {
            http.Response.Headers["grpc-status"] = $"{(int)StatusCode.Aborted}";
            http.Response.Headers["grpc-message"] = "busy";
            http.Response.Headers["grpc-status-details-bin"] = Convert.ToBase64String([0xff, 0xff]);
            return Task.CompletedTask;
        });
        var run = await CliRun.WithoutAddressesAsync(["product", "adjust", "lamp", "1", .. GetAddressOptions(app.Urls.Single())]);
        Assert.Equal(1, run.Exit);
        Assert.StartsWith("ABORTED: busy", run.Error);
        Assert.Contains("The stock may have been adjusted; repeat the command with --key", run.Error);
    }

    [Theory, MemberData(nameof(Printing))]
    public async Task Text_of_the_shop_is_neither_markup_nor_controls_the_terminal_and_JSON_is_exact(string words)
    {
        const string Text = "[red]x[/] [/] [[ \u001b[2J\u0007\u009b2J\nholds\r\u202eabc\u2066\u2028<";
        await using var shop = await ScriptedShop.StartAsync(Text);
        var run = await CliRun.WithoutAddressesAsync([.. words.Split(' '), .. shop.Options]);
        Assert.DoesNotContain(run.Output + run.Error, letter => letter != '\n' && (char.IsControl(letter) || "\u202e\u2066\u2028".Contains(letter)));
        Assert.DoesNotContain("   at ", run.Error);
        Assert.Contains(@"\u001B[2J\u0007", Regex.Replace(run.Output + run.Error, @"\s+", ""));
        Assert.Contains("[red]x[/]", Regex.Replace(run.Output + run.Error, @"\s+", ""));

        var json = await CliRun.WithoutAddressesAsync([.. words.Split(' '), "--json", .. shop.Options]);
        var documents = json.Output.StartsWith('[') ? [json.Json] : json.JsonLines;
        // The audit has it in sentences.
        if (words != "product show lamp") Assert.Contains(documents.SelectMany(GetStrings), text => words == "audit" ? text!.Contains(Text) : text == Text);
    }

    [Fact]
    public async Task The_doctor_prints_what_sidecars_and_files_say_neither_as_markup_nor_to_control_the_terminal()
    {
        const string Text = "[red]x[/] [[ \u001b[2J\u0007\u009b2J\nok\r\u202eabc\u2028<";
        await using var shop = await ScriptedShop.StartAsync(Text);
        await using var sidecar = await SidecarHttp.StartAsync(500, JsonSerializer.Serialize(new { errorCode = Text, message = Text }), 500);
        var components = Directory.CreateTempSubdirectory("components-");
        try
        {
            File.WriteAllText(Path.Combine(components.FullName, "store.yaml"), $"""
                kind: Component
                metadata: {JsonSerializer.Serialize(new { name = Text })}
                spec: {JsonSerializer.Serialize(new { type = "state.redis", metadata = new[] { new { name = "ttlInSeconds", value = Text } } })}
                """);
            string[] http = [.. ((string[])["orders", "stock", "payments", "coupons"]).SelectMany(app => new[] { $"--{app}-sidecar-http", sidecar.Address })];
            string[] words = ["doctor", "--components", components.FullName, .. shop.Options, .. shop.SidecarOptions, .. http];
            var run = await CliRun.WithoutAddressesAsync(words);
            Assert.DoesNotContain(run.Output + run.Error, letter => letter != '\n' && (char.IsControl(letter) || "\u202e\u2028".Contains(letter)));
            Assert.DoesNotContain("   at ", run.Error);
            Assert.Contains(@"[red]x[/][[\u001B[2J\u0007", Regex.Replace(run.Output, @"\s+", ""));
            Assert.Contains(GetStrings((await CliRun.WithoutAddressesAsync([.. words, "--json"])).Json), text => text!.Contains(Text));
        }
        finally
        {
            components.Delete(recursive: true);
        }
    }

    [Theory, MemberData(nameof(Printing))]
    public async Task Ids_are_not_broken_over_lines_on_80_columns_and_in_a_pipe(string words)
    {
        var id = new string('x', 64);
        await using var shop = await ScriptedShop.StartAsync(id);
        var command = $"stty cols 80; dotnet '{RunningShop.ProgramOf("Shop")}' {words} {string.Join(' ', shop.Options)}";
        foreach (var run in (CliRun[])[
            await CliRun.RunAsync("script", ["-qec", command, "/dev/null"]),
            await CliRun.WithoutAddressesAsync([.. words.Split(' '), .. shop.Options])])
        {
            Assert.Contains(id, run.Output + run.Error);
            Assert.DoesNotMatch("(?<!x)x{2,63}(?!x)", run.Output + run.Error);
        }
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("order show x")]
    [InlineData("order place x --item x --watch")]
    public async Task Ids_are_whole_on_a_terminal_of_40_columns(string words)
    {
        var id = new string('x', 64);
        await using var shop = await ScriptedShop.StartAsync(id);
        var run = await CliRun.RunAsync(
            "script", ["-qec", $"stty cols 40; dotnet '{RunningShop.ProgramOf("Shop")}' {words} {string.Join(' ', shop.Options)}", "/dev/null"]);
        Assert.Contains(id, run.Output);
        Assert.DoesNotMatch("(?<!x)x{2,63}(?!x)", run.Output);
    }

    /// <summary>Answers all gRPC calls to its address.</summary>
    private static async Task<WebApplication> AnswerAllAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0")
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(at => at.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        app.Run(http =>
        {
            http.Response.ContentType = "application/grpc";
            return answer(http);
        });
        await app.StartAsync();
        return app;
    }

    [Fact]
    public void All_output_for_people_is_escaped_in_one_place()
    {
        var files = Directory.EnumerateFiles(Path.Combine(RunningShop.Root, "cli"), "*.cs", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) is not ("Terminal.cs" or "Cell.cs" or "LoadCommand.cs" or "LoadPrint.cs")).ToArray();
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.DoesNotMatch(
            @"AnsiConsole|new (Text|Markup|Table|Grid)\(|Console\.Error\.Write\w*\([^$)]|Console\.WriteLine\(\$""\{(?!string)", File.ReadAllText(file)));
    }

    public static TheoryData<string> Printing =>
    [
        "orders", "orders --open", "order show x", "order timeline x", "order cancel x", "order place x --item x --watch", "explain x",
        "product list", "product show lamp", "product adjust x 1", "account list", "account show x", "coupon list", "coupon issue x --won-off 1",
        "audit", "dead-letters list", "dead-letters show x", "dead-letters redrive x", "dead-letters discard x",
    ];

    private static readonly Type[] Texts = [typeof(string), typeof(bool), typeof(OrderStatus[]), typeof(OrderItem[])];

    private static IEnumerable<string> GetAddressOptions(string address) =>
        ["--orders", address, "--stock", address, "--payments", address, "--coupons", address];

    private static IEnumerable<string?> GetStrings(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().SelectMany(field => GetStrings(field.Value)),
        JsonValueKind.Array => json.EnumerateArray().SelectMany(GetStrings),
        JsonValueKind.String => [json.GetString()],
        _ => [],
    };

    private static IEnumerable<(string Path, Command Command)> GetLeaves(Command command, string path) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(sub => GetLeaves(sub, $"{path} {sub.Name}"));
}
