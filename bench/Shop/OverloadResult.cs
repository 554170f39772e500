namespace Bench;

/// <summary>What became of orders that were placed faster than they can be handled.</summary>
/// <param name="Placed">Requests, accepted or not.</param>
/// <param name="Rejected">Requests that were answered with RESOURCE_EXHAUSTED.</param>
/// <param name="Failed">Requests that failed otherwise.</param>
/// <param name="PerSixth">Sagas per second in each sixth of the time.</param>
/// <param name="Drained">From the last request until every accepted order had ended.</param>
internal sealed record OverloadResult(PhaseResult Result, int Placed, long Rejected, long Failed, IReadOnlyList<double> PerSixth, TimeSpan Drained);
