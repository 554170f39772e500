using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>The waiting dead letters of all services that answer.</summary>
/// <param name="Letters">Oldest first; at most 1000 of each service.</param>
/// <param name="More">How many more wait than are listed.</param>
/// <param name="Unreachable">Services that did not answer, each with its error.</param>
public sealed record DeadLetterList(IReadOnlyList<DeadLetter> Letters, int More, IReadOnlyList<(ServiceEndpoint Service, RpcException Fault)> Unreachable)
{
    /// <summary>The topic of a dead letter that is a reservation which its service can neither settle nor release.</summary>
    public const string ReservationsTopic = "reservations";

    private const int PageSize = 1000;

    /// <summary>One line for each service whose dead letters are missing here.</summary>
    public IEnumerable<string> Missing => Unreachable.Select(one =>
        $"{one.Service.Name} at {one.Service.Address} does not answer; its dead letters are not among these. ({RpcErrorText.Describe(one.Fault)})");

    /// <summary>Lists the waiting dead letters of all services.</summary>
    /// <param name="cancellationToken">Ends reading with an <see cref="RpcException"/>.</param>
    /// <exception cref="RpcException">No service answers.</exception>
    public static async Task<DeadLetterList> ReadAsync(ShopClients shop, CancellationToken cancellationToken)
    {
        var listed = await Task.WhenAll(shop.Services.Zip(shop.DeadLetters, async (service, letters) =>
        {
            try
            {
                return (
                    Service: service,
                    Answer: (ListDeadLettersResponse?)await letters.ListDeadLettersAsync(new() { PageSize = PageSize }, cancellationToken: cancellationToken),
                    Fault: (RpcException?)null);
            }
            catch (RpcException fault) when (!cancellationToken.IsCancellationRequested)
            {
                return (service, null, fault);
            }
        }));
        if (listed.All(one => one.Answer is null)) throw listed[0].Fault!;
        var answers = listed.Select(one => one.Answer).OfType<ListDeadLettersResponse>().ToArray();
        return new(
            [.. answers.SelectMany(answer => answer.DeadLetters).OrderBy(letter => letter.DeadLetteredTime)],
            answers.Sum(answer => answer.More),
            [.. from one in listed where one.Fault is not null select (one.Service, one.Fault)]);
    }
}
