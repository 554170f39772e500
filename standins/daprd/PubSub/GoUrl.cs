namespace Daprd.PubSub;

/// <summary>Which texts Go's net/url reads as a URL. Nearly all are one: what is no absolute URL is a relative one.</summary>
internal static class GoUrl
{
    public static bool IsValid(string text)
    {
        var (url, fragment) = Cut(text, '#');
        if (url.Any(character => character is < ' ' or '\x7f') || !AreEscapesWhole(fragment)) return false;
        if (SchemeLength(url) is not { } scheme) return false;
        var rest = Cut(url[(scheme > 0 ? scheme + 1 : 0)..], '?').Before;
        if (!rest.StartsWith('/')) return scheme > 0 || (!Cut(rest, '/').Before.Contains(':') && AreEscapesWhole(rest));
        if (!rest.StartsWith("//", StringComparison.Ordinal) || (scheme == 0 && rest.StartsWith("///", StringComparison.Ordinal))) return AreEscapesWhole(rest);
        var (authority, path) = Cut(rest[2..], '/');
        return IsAuthority(authority) && AreEscapesWhole(path);
    }

    /// <summary>0 when the URL has none; null when it should, and is empty.</summary>
    private static int? SchemeLength(string url)
    {
        var length = 0;
        while (length < url.Length && (char.IsAsciiLetter(url[length]) || (length > 0 && (char.IsAsciiDigit(url[length]) || "+-.".Contains(url[length]))))) length++;
        if (length == url.Length || url[length] != ':') return 0;
        return length > 0 ? length : null;
    }

    private static bool IsAuthority(string authority)
    {
        var at = authority.LastIndexOf('@');
        var (user, host) = at < 0 ? ("", authority) : (authority[..at], authority[(at + 1)..]);
        return user.All(character => char.IsAsciiLetterOrDigit(character) || "-._:~!$&'()*+,;=%@".Contains(character)) && AreEscapesWhole(user) && IsHost(host);
    }

    private static bool IsHost(string host)
    {
        var bracket = host.LastIndexOf(']');
        if (host.StartsWith('[') && bracket < 0) return false;
        var port = host.StartsWith('[') ? host[(bracket + 1)..] : host.LastIndexOf(':') is var colon and >= 0 ? host[colon..] : "";
        if (port.Length > 0 && (port[0] != ':' || !port.Skip(1).All(char.IsAsciiDigit))) return false;
        return host.All(character => character >= 0x80 || char.IsAsciiLetterOrDigit(character) || "-_.~!$&'()*+,;=:[]<>\"%".Contains(character))
            && AreEscapesWhole(host, ofHost: !host.StartsWith('['));
    }

    /// <param name="ofHost">Where only bytes beyond ASCII, and the percent sign, may be escaped.</param>
    private static bool AreEscapesWhole(string text, bool ofHost = false)
    {
        for (var at = text.IndexOf('%'); at >= 0; at = text.IndexOf('%', at + 3))
        {
            if (at + 2 >= text.Length || !char.IsAsciiHexDigit(text[at + 1]) || !char.IsAsciiHexDigit(text[at + 2])) return false;
            if (ofHost && text[at + 1] < '8' && text.AsSpan(at, 3) is not "%25") return false;
        }

        return true;
    }

    private static (string Before, string After) Cut(string text, char separator)
    {
        var at = text.IndexOf(separator);
        return at < 0 ? (text, "") : (text[..at], text[(at + 1)..]);
    }
}
