using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>The dead letters that wait for somebody, of all services that answer.</summary>
/// <param name="Letters">The oldest first.</param>
/// <param name="More">How many there are beyond those, of services that have more than are listed at once.</param>
/// <param name="Silent">Services that did not answer, each with what it said.</param>
internal sealed record WaitingLetters(IReadOnlyList<DeadLetter> Letters, int More, IReadOnlyList<(ReachedService Service, RpcException Fault)> Silent)
{
    /// <summary>A reservation that its service cannot bring to its end is a dead letter of this topic.</summary>
    public const string Reservations = "reservations";

    private const int Page = 1000;

    /// <exception cref="RpcException">No service answers.</exception>
    public static async Task<WaitingLetters> ReadAsync(ShopClients shop, CancellationToken stop)
    {
        var listed = await Task.WhenAll(shop.Services.Zip(shop.DeadLetters, async (service, letters) =>
        {
            try
            {
                return (Service: service, Answer: (ListDeadLettersResponse?)await letters.ListDeadLettersAsync(new() { PageSize = Page }, cancellationToken: stop), Fault: (RpcException?)null);
            }
            catch (RpcException fault) when (!stop.IsCancellationRequested)
            {
                return (service, null, fault);
            }
        }));
        if (listed.All(one => one.Answer is null)) throw listed[0].Fault!;
        var answers = listed.Select(one => one.Answer).OfType<ListDeadLettersResponse>().ToArray();
        return new(
            [.. answers.SelectMany(answer => answer.DeadLetters).OrderBy(letter => letter.DeadTime)],
            answers.Sum(answer => answer.More),
            [.. from one in listed where one.Fault is not null select (one.Service, one.Fault)]);
    }

    /// <summary>One line for each service whose dead letters are missing here.</summary>
    public IEnumerable<string> Missing => Silent.Select(one =>
        $"{one.Service.Name} at {one.Service.Address} does not answer; its dead letters are not among these. ({Refusal.Of(one.Fault)})");
}
