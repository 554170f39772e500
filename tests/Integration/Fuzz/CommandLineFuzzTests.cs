using System.CommandLine;
using System.Text;
using Saga.Tests.Fuzz;
using Shop;

namespace Integration.Fuzz;

/// <summary>Broken arguments of ./shop are understood or refused in a sentence; none ends in an exception.</summary>
public sealed class CommandLineFuzzTests
{
    private const double Share = 0.05;

    private static readonly string[] Valid =
    [
        "order place mina --item mouse:2 --item lamp --coupon welcome-mina --watch --watch-timeout 30s --key k --json", "order show ORD-0123 --timeout 500ms",
        "order cancel ORD-0123", "order timeline ORD-0123", "orders --status failed --limit 20 --json", "orders --open", "explain ORD-0123",
        "product put lamp --name Lamp --price 1000 --stock 10", "product adjust lamp -3", "account open sora --deposit 500000", "account deposit jun 100000",
        "coupon issue mina --won-off 1000 --until 2030-12-31", "coupon issue mina --percent-off 10 --max-off 5000", "coupon list --user mina",
        "dead-letters list", "dead-letters redrive 0123456789abcdef --dry-run", "load -n 100 --in-flight 8 --failing 25 --for 10s", "wait --timeout 60",
        "doctor --orders http://localhost:5001", "audit --json", "dev-token mina --operator --valid-for 30m", "completion bash",
    ];

    [Fact]
    public void Arguments_are_understood_or_refused_in_a_sentence()
    {
        var (understood, refused, root) = (0, 0, ShopCommand.Root());
        foreach (var seed in FuzzSettings.Seeds(Share))
        {
            var mutator = new Mutator(new(seed));
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var words = Break(mutator.Pick(Valid).Split(' '), mutator);
                try
                {
                    var errors = root.Parse(words, new ParserConfiguration { ResponseFileTokenReplacer = null }).Errors;
                    if (errors.Count > 0) Assert.InRange(ShopCommand.Describe(errors).Length, 5, 2_000);
                    if (errors.Count == 0) understood++;
                    else refused++;
                }
                catch (Exception broken)
                {
                    Assert.Fail(FuzzSettings.Describe(seed, $"'{string.Join("' '", words)}': {broken}", "Integration"));
                }
            }
        }
        Assert.True(understood > 0 && refused > 0, $"{understood} understood, {refused} refused");
    }

    private static string[] Break(string[] words, Mutator mutator)
    {
        var broken = words.ToList();
        for (var left = mutator.Happens(0.5) ? 1 : 2; left > 0 && broken.Count > 0; left--)
        {
            var at = mutator.Pick(Enumerable.Range(0, broken.Count).ToArray());
            if (mutator.Happens(0.1)) broken.RemoveAt(at);
            else if (mutator.Happens(0.1)) broken.Insert(at, mutator.Pick(words));
            // What cannot be an argument of a process is left out.
            else broken[at] = Encoding.UTF8.GetString(mutator.Bytes(Encoding.UTF8.GetBytes(broken[at]))).Replace("\0", "", StringComparison.Ordinal);
        }
        return [.. broken];
    }
}
