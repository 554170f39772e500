using System.Text.RegularExpressions;
using Shop.V1;

namespace Integration;

/// <summary>The participant that 'dotnet new saga-participant' makes, built outside of the solution, with its own tests.</summary>
public sealed class TemplatedParticipant() : ShopWithParticipant("bonus")
{
    public string Project => Path.Combine(Outside.FullName, "Bonus");

    protected override async Task<string> BuildAsync()
    {
        var packed = Path.Combine(Outside.FullName, "packed");
        // The templates of the user who runs the tests stay as they are.
        string[] hive = ["--debug:custom-hive", Path.Combine(Outside.FullName, "hive")];
        await OutsideBuild.PackAsync(Configuration, packed);
        await OutsideBuild.RunAsync(["new", "install", Path.Combine(Root, "templates"), .. hive]);
        // The check for an update writes the list of templates while another thread of the same process reads it, which then fails at times.
        await OutsideBuild.RunAsync(["new", "saga-participant", "-n", "Bonus", "--noun", "bonus point", "-o", Project, "--no-update-check", .. hive]);
        OutsideBuild.WriteNuGetConfig(Project, packed);
        await OutsideBuild.RunAsync("test", Path.Combine(Project, "tests"), "-c", "Release", "--nologo", "-v", "q", "-p:UseSharedCompilation=false");
        return Path.Combine(Project, "bin/Release/net10.0/Bonus.dll");
    }
}

/// <summary>A participant from the template joins as it is.</summary>
public sealed class TemplateTests(TemplatedParticipant shop) : IClassFixture<TemplatedParticipant>
{

    [Fact]
    public void Nothing_of_the_template_s_names_is_left() => Assert.All(
        Directory.EnumerateFiles(shop.Project, "*", SearchOption.AllDirectories).Where(file => !Regex.IsMatch(file, "/(bin|obj)/")),
        file => Assert.DoesNotMatch("(?i)ticket", $"{Path.GetRelativePath(shop.Project, file)} {File.ReadAllText(file)}"));

    [Fact]
    public async Task Orders_wait_for_it_and_take_one_until_none_is_left()
    {
        // The messages of its API are those of the template, with another name: AddRequest has the count in field 1.
        await CallAsync("Add", [0x08, 0x01]);
        Assert.Equal((OrderStatus.Confirmed, ""), await OrderAsync());
        Assert.Equal((OrderStatus.Failed, "NONE_LEFT"), await OrderAsync());
    }

    private async Task CallAsync(string method, byte[] request)
    {
        var bytes = Grpc.Core.Marshallers.Create(content => content, content => content);
        await shop.Grpc.CreateCallInvoker().AsyncUnaryCall(
            new Grpc.Core.Method<byte[], byte[]>(Grpc.Core.MethodType.Unary, "bonus.v1.BonusService", method, bytes, bytes), null, new(), request);
    }

    private async Task<(OrderStatus, string)> OrderAsync()
    {
        var product = $"p-{Guid.CreateVersion7()}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 1 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = product, InitialDeposit = 1_000 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = product, Items = { new OrderItem { ProductId = product, Quantity = 1 } } });
        Order? order = null;
        await Poll.UntilAsync(
            async () => (order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = placed.Order.OrderId })).Order).IsClosed, () => $"{order}");
        return (order!.Status, order.Reason);
    }
}
