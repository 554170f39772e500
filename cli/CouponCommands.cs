using System.CommandLine;
using Google.Protobuf.WellKnownTypes;
using Shop.V1;

namespace Shop;

/// <summary>Coupons of users.</summary>
internal static class CouponCommands
{
    private static readonly Argument<string> Id = new("coupon");

    public static Command Coupon() => new("coupon", "Issue coupons, look at them.") { Issue(), Show(), List() };

    private static Command Issue()
    {
        var user = new Argument<string>("user") { Description = "Who may use it." };
        var id = new Option<string>("--id") { Description = "Empty: one is made.", DefaultValueFactory = _ => "" };
        var won = new Option<long?>("--won-off") { Description = "Takes off so many won." };
        var percent = new Option<int?>("--percent-off") { Description = "Takes off 1 to 100 percent." };
        var most = new Option<long>("--at-most") { Description = "Won that --percent-off takes off at most; 0: no cap." };
        var until = new Option<DateTimeOffset>("--valid-until") { Description = "30 days from now unless said otherwise.", DefaultValueFactory = _ => DateTimeOffset.UtcNow.AddDays(30) };
        var key = CommandLine.Key();
        var issue = new Command("issue", "Issue a coupon.\n\n  shop coupon issue mina --percent-off 10 --at-most 20000\n  shop coupon issue jun --id spring --won-off 3000 --valid-until 2030-12-31") { user, id, won, percent, most, until, key };
        issue.Aliases.Add("put");
        issue.Validators.Add(said =>
        {
            if (said.GetResult(won) is null == said.GetResult(percent) is null) said.AddError("Say either --won-off or --percent-off.");
        });
        return issue.Does(async call =>
        {
            var request = new IssueCouponRequest { UserCouponId = call.Of(id), UserId = call.Of(user), ValidUntil = Timestamp.FromDateTimeOffset(call.Of(until)), IdempotencyKey = call.Of(key) };
            if (call.Of(won) is { } amount) request.AmountOff = amount;
            else request.PercentOff = new() { Percent = call.Of(percent) ?? 0, MaxAmount = call.Of(most) };
            var issued = await call.Shop.Coupons.IssueCouponAsync(request, cancellationToken: call.Stop);
            call.Answer(issued, () => Print(issued.Coupon));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One coupon.\n\n  shop coupon show welcome-mina") { Id }.Does(async call =>
    {
        var got = await call.Shop.Coupons.GetCouponAsync(new() { UserCouponId = call.Of(Id) }, cancellationToken: call.Stop);
        call.Answer(got, () => Print(got.Coupon));
        return ExitCode.Done;
    });

    private static Command List()
    {
        var user = new Option<string>("--user") { Description = "Only of this user.", DefaultValueFactory = _ => "" };
        return new Command("list", "All coupons, by id.\n\n  shop coupon list --user mina") { user }.Does(async call =>
        {
            var all = new ListCouponsResponse();
            await foreach (var page in Pages.OfAsync(token => call.Shop.Coupons.ListCouponsAsync(new() { UserId = call.Of(user), PageToken = token }, cancellationToken: call.Stop), page => page.NextPageToken)) all.Coupons.AddRange(page.Coupons);
            call.Answer(all, () => Print([.. all.Coupons]));
            return ExitCode.Done;
        });
    }

    private static void Print(params IEnumerable<Coupon> coupons) => CommandLine.Print(["coupon", "user", "status", "takes off", "valid until"],
        coupons.Select(c => (IEnumerable<string>)[c.UserCouponId, c.UserId, c.Status.ToString().ToUpperInvariant(), Off(c), $"{c.ValidUntil.ToDateTime():u}"]));

    private static string Off(Coupon coupon) => coupon.PercentOff is not { } percent ? $"{coupon.AmountOff:N0} won"
        : percent.MaxAmount == 0 ? $"{percent.Percent} %" : $"{percent.Percent} %, at most {percent.MaxAmount:N0} won";
}
