using Orders;
using Shop.V1;

namespace Saga.Tests;

/// <summary>Ids that are numbers in JSON: what a body costs depends on its length alone.</summary>
public sealed class JsonIdsTests
{
    private const int BodyMax = 256 * 1024;

    public static TheoryData<string> Bodies
    {
        get
        {
            var name = new string('a', BodyMax / 2);
            return
            [
                "{\"" + name + "\":{" + Repeat("\"\":1") + "}}",
                "{\"" + name + "\":[" + Repeat("1") + "]}",
                "{\"" + name + "\":[" + Repeat("{}") + "]}",
                "{\"items\":[" + Repeat("{\"productId\":{}}") + "]}",
                "{\"items\":[{" + Repeat("\"productId\":{}") + "}]}",
            ];

            static string Repeat(string what) => string.Join(',', Enumerable.Repeat(what, BodyMax / 2 / (what.Length + 1)));
        }
    }

    [Theory, MemberData(nameof(Bodies))]
    public void A_body_takes_memory_in_proportion_to_its_length(string body)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            JsonIds.QuoteNumbers(body, PlaceOrderRequest.Descriptor);
        }
        catch (RejectedException)
        {
            // It has violations.
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100 * BodyMax);
    }
}
