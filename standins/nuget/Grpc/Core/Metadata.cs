using System.Collections;
using System.Text;

namespace Grpc.Core;

/// <summary>
/// Headers or trailers of a call, in order; a key may repeat. Keys are lower case; one that ends in <c>-bin</c> carries bytes.
/// </summary>
public sealed class Metadata : IList<Metadata.Entry>
{
    public const string BinaryHeaderSuffix = "-bin";

    /// <summary>No entries, and none can be added.</summary>
    public static readonly Metadata Empty = new() { IsReadOnly = true };

    private readonly List<Entry> entries = [];

    public int Count => entries.Count;

    public bool IsReadOnly { get; private set; }

    public Entry this[int index]
    {
        get => entries[index];
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            Changeable().entries[index] = value;
        }
    }

    /// <summary>The last entry with this key; null when there is none.</summary>
    public Entry? Get(string key)
    {
        for (var i = entries.Count - 1; i >= 0; i--)
        {
            if (entries[i].Key.Equals(key, StringComparison.OrdinalIgnoreCase))
            {
                return entries[i];
            }
        }

        return null;
    }

    /// <summary>The text of the last entry with this key; null when there is none.</summary>
    public string? GetValue(string key) => Get(key)?.Value;

    /// <summary>The bytes of the last entry with this key; null when there is none.</summary>
    public byte[]? GetValueBytes(string key) => Get(key)?.ValueBytes;

    public IEnumerable<Entry> GetAll(string key) => entries.Where(entry => entry.Key.Equals(key, StringComparison.OrdinalIgnoreCase));

    public void Add(Entry item)
    {
        ArgumentNullException.ThrowIfNull(item);
        Changeable().entries.Add(item);
    }

    public void Add(string key, string value) => Add(new Entry(key, value));

    public void Add(string key, byte[] valueBytes) => Add(new Entry(key, valueBytes));

    public void Insert(int index, Entry item)
    {
        ArgumentNullException.ThrowIfNull(item);
        Changeable().entries.Insert(index, item);
    }

    public void RemoveAt(int index) => Changeable().entries.RemoveAt(index);

    public bool Remove(Entry item) => Changeable().entries.Remove(item);

    public void Clear() => Changeable().entries.Clear();

    public int IndexOf(Entry item) => entries.IndexOf(item);

    public bool Contains(Entry item) => entries.Contains(item);

    public void CopyTo(Entry[] array, int arrayIndex) => entries.CopyTo(array, arrayIndex);

    public IEnumerator<Entry> GetEnumerator() => entries.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private Metadata Changeable() => IsReadOnly ? throw new InvalidOperationException("This metadata is read-only.") : this;

    /// <summary>One key with its text, or with its bytes when the key ends in <c>-bin</c>.</summary>
    public class Entry
    {
        private readonly string? text;
        private readonly byte[]? bytes;

        public Entry(string key, string value)
        {
            ArgumentNullException.ThrowIfNull(value);
            Key = Normalized(key);
            if (IsBinary)
            {
                throw new ArgumentException($"The key '{Key}' ends in {BinaryHeaderSuffix}: its value is bytes.", nameof(key));
            }

            text = value;
        }

        public Entry(string key, byte[] valueBytes)
        {
            ArgumentNullException.ThrowIfNull(valueBytes);
            Key = Normalized(key);
            if (!IsBinary)
            {
                throw new ArgumentException($"The key '{Key}' does not end in {BinaryHeaderSuffix}: its value is text.", nameof(key));
            }

            bytes = [.. valueBytes];
        }

        public string Key { get; }

        /// <summary>The text of the value.</summary>
        /// <exception cref="InvalidOperationException">The value is binary.</exception>
        public string Value => text ?? throw new InvalidOperationException($"The value of '{Key}' is binary.");

        /// <summary>A copy of the bytes; of a text value, its ASCII bytes.</summary>
        public byte[] ValueBytes => bytes is null ? Encoding.ASCII.GetBytes(text!) : [.. bytes];

        public bool IsBinary => Key.EndsWith(BinaryHeaderSuffix, StringComparison.Ordinal);

        public override string ToString() => bytes is null
            ? $"[Entry: key={Key}, value={text}]"
            : $"[Entry: key={Key}, valueBytes={Convert.ToBase64String(bytes)}]";

        internal ReadOnlySpan<byte> Bytes => bytes;

        private static string Normalized(string key)
        {
            ArgumentNullException.ThrowIfNull(key);
            foreach (var c in key)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '_' or '-'))
                {
                    throw new ArgumentException($"The key '{key}' may hold letters, digits, '.', '_' and '-' only.", nameof(key));
                }
            }

            return key.ToLowerInvariant();
        }
    }
}
