using System.CommandLine;
using Shop.Doctor;
using Shop.Load;

namespace Shop;

/// <summary>All commands.</summary>
internal static class ShopCommand
{
    public static RootCommand Root()
    {
        var root = new RootCommand("""
            The shop from the command line.

            Exit codes: 0 done; 1 refused, or not as it should be (an order watched that FAILED, a broken audit, a redrive that failed again);
            2 wrong usage; 3 the shop, or the part of it that was asked, cannot be reached; 4 nothing is wrong, but something is under way (an audit
            that says until when); 130 interrupted.
            """)
        {
            OrderCommands.Order(), OrderCommands.List(), OrderCommands.Explain(),
            ProductCommands.Product(), AccountCommands.Account(), CouponCommands.Coupon(),
            DeadLetterCommands.Command(), AuditCommand.Command(), DoctorCommand.Command(), LoadCommand.Command(),
            DemoCommands.Wait(), DemoCommands.Fill(), DemoCommands.Demo(), Completion.Command(),
        };
        foreach (var address in CommandLine.Addresses) root.Add(address);
        root.Add(CommandLine.Json);
        Completion.GoOnAfterOptions(root);
        return root;
    }
}
