using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Shop.V1;

namespace Shop;

/// <summary>Coupons of users.</summary>
internal static class CouponCommands
{
    private const long WonMax = 1_000_000_000;

    private static readonly Argument<string> Id = new("coupon");

    public static Command Coupon() => new("coupon", "Issue coupons, look at them.") { Issue(), Show(), List() };

    private static Command Issue()
    {
        var user = new Argument<string>("user") { Description = "The user who may use it." };
        var id = new Option<string>("--id") { Description = "Generated when empty.", DefaultValueFactory = _ => "" };
        var won = Numbers.Option("--won-off", 1, WonMax, 3000, "Discount in won.");
        var percent = Numbers.Option("--percent-off", 1, 100, 10, "Discount in percent.");
        var most = Numbers.Option("--at-most", 0, WonMax, 20_000, "Maximum discount of --percent-off in won; 0: no maximum.");
        var until = new Option<DateTimeOffset>("--valid-until")
        {
            Description = "By default 30 days from now.",
            DefaultValueFactory = _ => TimeProvider.System.GetUtcNow().AddDays(30),
            CustomParser = ParseTime,
        };
        var key = CommandLine.Key();
        var issue = new Command("issue", "Issue a coupon.\n\n  shop coupon issue mina --percent-off 10 --at-most 20000\n"
            + "  shop coupon issue jun --id spring --won-off 3000 --valid-until 2030-12-31")
            { user, id, won, percent, most, until, key };
        issue.Aliases.Add("put");
        issue.Validators.Add(result =>
        {
            if (result.GetResult(won) is null == result.GetResult(percent) is null) result.AddError("Say either --won-off or --percent-off.");
        });
        return issue.SetHandler(async context =>
        {
            var request = new IssueCouponRequest
            {
                UserCouponId = context.GetValue(id),
                UserId = context.GetValue(user),
                ValidUntil = Timestamp.FromDateTimeOffset(context.GetValue(until)),
                IdempotencyKey = context.GetKey(key, "coupon may have been issued"),
            };
            if (context.GetValue(won) is { } amount) request.AmountOff = amount;
            else request.PercentOff = new() { Percent = (int)context.GetNumber(percent), MaxAmount = context.GetNumber(most) };
            var issued = await context.Shop.Coupons.IssueCouponAsync(request, cancellationToken: context.CancellationToken);
            context.Write(issued, () => Print(issued.Coupon));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One coupon.\n\n  shop coupon show welcome-mina") { Id }.SetHandler(async context =>
    {
        var got = await context.Shop.Coupons.GetCouponAsync(new() { UserCouponId = context.GetValue(Id) }, cancellationToken: context.CancellationToken);
        context.Write(got, () => Print(got.Coupon));
        return ExitCode.Done;
    });

    private static Command List()
    {
        var user = new Option<string>("--user") { Description = "Only of this user.", DefaultValueFactory = _ => "" };
        return new Command("list", "All coupons, by id.\n\n  shop coupon list --user mina") { user }.SetHandler(async context =>
        {
            var all = new ListCouponsResponse();
            ListCouponsRequest Request(string token) => new() { UserId = context.GetValue(user), PageToken = token };
            var pages = Paging.ReadPagesAsync(
                token => context.Shop.Coupons.ListCouponsAsync(Request(token), cancellationToken: context.CancellationToken),
                page => page.NextPageToken);
            await foreach (var page in pages)
            {
                all.Coupons.AddRange(page.Coupons);
                all.UnreadableUserCouponIds.AddRange(page.UnreadableUserCouponIds);
            }
            context.Write(all, () => Print([.. all.Coupons]));
            Terminal.WriteUnreadable("coupon", all.UnreadableUserCouponIds);
            return ExitCode.Done;
        });
    }

    private static void Print(params IEnumerable<Coupon> coupons) => Terminal.WriteTable(["coupon", "user", "status", "takes off", "valid until"],
        coupons.Select(c => (IReadOnlyList<Cell>)
            [c.UserCouponId, c.UserId, c.Status.ToString().ToUpperInvariant(), FormatDiscount(c), $"{c.ValidUntil.ToDateTime():u}"]), "takes off");

    /// <summary>Without an offset in UTC.</summary>
    private static readonly string[] TimeFormats = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    private static DateTimeOffset ParseTime(ArgumentResult result)
    {
        if (result.Tokens is not [var token]) return default;
        if (DateTimeOffset.TryParseExact(token.Value, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
        result.AddError($"--valid-until must be a date such as 2030-12-31 or a time such as 2030-12-31T18:00:00Z, not {Numbers.Quote(token.Value)}.");
        return default;
    }

    private static string FormatDiscount(Coupon coupon) => coupon.PercentOff is not { } percent ? $"{coupon.AmountOff:N0} won"
        : percent.MaxAmount == 0 ? $"{percent.Percent} %" : $"{percent.Percent} %, at most {percent.MaxAmount:N0} won";
}
