using FsCheck;
using FsCheck.Fluent;

namespace Saga.Tests.Properties;

/// <summary>Generators of what clients, publishers and operators write.</summary>
internal static class Values
{
    private const string IdCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:@";

    public static readonly Gen<Guid> Guids =
        from high in Between(long.MinValue, long.MaxValue)
        from low in Between(long.MinValue, long.MaxValue)
        select new Guid([.. BitConverter.GetBytes(high), .. BitConverter.GetBytes(low)]);

    public static readonly Gen<string> OrderIds = Guids.Select(id => id.ToString());

    /// <summary>Any number of a range.</summary>
    public static Gen<long> Between(long min, long max) =>
        from high in Gen.Choose(int.MinValue, int.MaxValue)
        from low in Gen.Choose(int.MinValue, int.MaxValue)
        let bits = ((ulong)(uint)high << 32) | (uint)low
        select (long)(min + (Int128)(bits % (UInt128)((Int128)max - min + 1)));

    /// <summary>1 to 64 characters that an id may have.</summary>
    public static readonly Gen<string> Ids =
        from length in Gen.Choose(1, 64)
        from letters in Gen.Elements(IdCharacters.ToCharArray()).ArrayOf(length)
        select new string(letters);

    /// <summary>Any UTF-16, with control characters, half surrogate pairs and look-alikes.</summary>
    public static readonly Gen<string> Texts = Gen.OneOf(
        Gen.Choose(0, char.MaxValue).Select(unit => (char)unit),
        Gen.Choose(0, 127).Select(unit => (char)unit),
        Gen.Elements('\0', '\n', '\u0085', '\ud800', '\udc00', '\ufeff', '\u0131', '\u017f', '\u212a', '\uff10', '+', '{', '|')).ArrayOf().Select(units => new string(units));

    public static readonly Gen<long> Amounts = Gen.OneOf(
        Between(0, 1_000), Between(-5, 5), Between(long.MinValue, long.MaxValue), Gen.Elements(0, 1, long.MaxValue, long.MaxValue - 1, long.MinValue));
}
