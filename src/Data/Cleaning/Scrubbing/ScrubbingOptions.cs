namespace ElasticTrain.Data.Cleaning;

/// <summary>Which personal data <see cref="Scrubber"/> replaces, and by what.</summary>
public sealed record ScrubbingOptions
{
    /// <summary>Replaces nothing.</summary>
    public static ScrubbingOptions Nothing { get; } = new() { Emails = false, Phones = false, Addresses = false };

    /// <summary>E-mail addresses.</summary>
    public bool Emails { get; init; } = true;

    /// <summary>Telephone numbers.</summary>
    public bool Phones { get; init; } = true;

    /// <summary>IP addresses, version 4 and 6.</summary>
    public bool Addresses { get; init; } = true;

    /// <summary>
    /// Leaves alone what is nobody's: private, loopback, link-local and documentation IP addresses, mail at <c>example.com</c> and its like (RFC 2606), numbers
    /// reserved for fiction (555-01xx).
    /// </summary>
    public bool PublicOnly { get; init; } = true;

    /// <summary>Stands for e-mail addresses; datatrove's and FineWeb's first placeholder.</summary>
    public string EmailPlaceholder { get; init; } = "email@example.com";

    /// <summary>Stands for IPv4 addresses; datatrove's and FineWeb's first placeholder, which answered nobody when they chose it.</summary>
    public string AddressPlaceholder { get; init; } = "22.214.171.124";

    /// <summary>Stands for IPv6 addresses; of the range for documentation (RFC 3849).</summary>
    public string Address6Placeholder { get; init; } = "2001:db8::1";

    /// <summary>Stands for telephone numbers; reserved for fiction.</summary>
    public string PhonePlaceholder { get; init; } = "555-0100";
}
