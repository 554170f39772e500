using Shop.V1;

namespace Shop;

/// <summary>Products by product id, accounts by user id and coupons by user coupon id.</summary>
public sealed record Catalog(
    IReadOnlyDictionary<string, Product> Products, IReadOnlyDictionary<string, Account> Accounts, IReadOnlyDictionary<string, Coupon> Coupons);
