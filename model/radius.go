package model

import (
	"net/netip"
)

// RadiusClient is a machine that asks by RADIUS whether a login is right: a VPN gateway, a switch, PAM on a server. It is known by
// the address that it asks from (RFC 2865) or by the certificate of its connection (RFC 6614).
type RadiusClient struct {
	ID             string `db:"id"`
	Name           string `db:"name"`
	NameFolded     string `db:"name_folded"`
	Address        string `db:"address"`     // CIDR range; "" if it is known by a certificate
	Certificate    string `db:"certificate"` // SHA-256 of its public key in hex; "" if it is known by its address
	Secret         []byte `db:"secret"`      // sealed; nil if it is known by a certificate
	OldSecret      []byte `db:"old_secret"`  // sealed; valid until OldSecretUntil
	OldSecretUntil Time   `db:"old_secret_until"`
	ApplicationID  string `db:"application_id"` // its users log on to this
	RequireMA      bool   `db:"require_message_authenticator"`
	Attributes     string `db:"attributes"` // what an Access-Accept carries, a line for each
	Status         string `db:"status"`
	DateCreated    Time   `db:"date_created"`
	LastUpdated    Time   `db:"last_updated"`
}

// Limits of the secret of a client, in characters. RFC 2865, section 3, asks for at least 16 octets.
const (
	MinRadiusSecret = 16
	MaxRadiusSecret = 128
)

// CheckRadiusSecret returns why a secret cannot be used; "" if it can. It must be printable ASCII, because most clients read it from
// a file or a form, and each encodes other characters in its own way.
func CheckRadiusSecret(secret Secret) (reason string) {
	if len(secret) < MinRadiusSecret || len(secret) > MaxRadiusSecret {
		return "must have 16 to 128 characters"
	}
	for _, b := range secret {
		if b <= ' ' || b > '~' {
			return "must be printable ASCII without blanks"
		}
	}
	return ""
}

// RadiusAddress returns the normal form of an address or CIDR range; ok is false if it is neither.
func RadiusAddress(text string) (normal string, ok bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return "", false
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()).String(), true
	}
	if prefix.Addr().Is4In6() {
		return "", false
	}
	return prefix.Masked().String(), true
}

// RadiusClientState is what changes while a client asks.
type RadiusClientState struct {
	ClientID   string `db:"client_id"`
	LastUsed   Time   `db:"last_used"`
	Accepted   int64  `db:"accepted"`
	Refused    int64  `db:"refused"`
	Dropped    int64  `db:"dropped"` // requests that were not answered
	LastReason string `db:"last_reason"`
}

// How long is kept, in milliseconds, what a client may still ask for.
const (
	RadiusAnswerTime = 30 * 1000     // the reply to a request, which the client may send again
	RadiusDialogTime = 2 * 60 * 1000 // where a logon stands that was asked for more
)

// RadiusNote is something that is kept for a short while.
type RadiusNote struct {
	ID      string `db:"id"`
	Content []byte `db:"content"` // sealed
	Expires Time   `db:"expires"`
}
