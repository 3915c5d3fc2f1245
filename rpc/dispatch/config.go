package dispatch

import (
	"crypto/x509/pkix"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"tokensmith/rpc/conn"
	"tokensmith/rpc/sender"
	"tokensmith/store"
)

// LargeBody is the default limit of a file or batch, in bytes.
const LargeBody = 256 << 20

const (
	DeviceBody = 64 << 10 // limit for device methods, whose callers are not authenticated before the body is read
	SmallBody  = 1 << 20

	importRows = 100_000

	checkInDefault      = 5 * time.Minute
	codeExpiryDefault   = 7 * 24 * time.Hour
	codeAccountsDefault = 100
)

// Config is what a Server needs from outside. The clock, ids and randomness are passed in, so that tests can control them.
type Config struct {
	Store        store.Store
	Now          func() time.Time
	NewID        func() string // returns 32 lower-case hex digits, always greater than the last
	Rand         io.Reader     // for seeds, serials and client secrets
	Log          zerolog.Logger
	Prefix       string                   // prefix of /object/method, which also works without it; such as "/das5/rest"
	StrictJSON   bool                     // refuse the lenient JSON dialect
	PublicURL    string                   // base URL of links
	LargeBody    int64                    // limit of a file or batch in bytes; 0 for 256 MiB
	Spool        []string                 // folders for bodies and replies too large for memory, tried in order; none for the system's temporary folder
	Connections  *conn.Connections        // connections of the listeners; nil if they are not counted
	LargeWait    time.Duration            // how long a large call waits for other large calls; 0 for as long as one of them may take
	AgentRate    int                      // calls per second of an agent without a limit of its own; 0 for no limit
	Proxies      []netip.Prefix           // proxies whose X-Forwarded-For is trusted
	Senders      map[string]sender.Sender // by channel, SMTP and SMS; a missing channel is not configured
	ImportRows   int                      // limit of rows in one file; 0 for 100,000
	Version      string                   // version of the program, for the API documents
	CheckIn      time.Duration            // how often devices should check in; 0 for 5 minutes
	CodeExpiry   time.Duration            // how long automatic installation codes are valid; 0 for 7 days
	CodeAccounts int                      // how many accounts one installation code may create within an hour; 0 for 100
	TimeZone     *time.Location           // time zone of dates without a time; nil for UTC
	// Certify issues a client certificate with a new key. Nil means that the server takes none that it could issue.
	Certify func(subject pkix.RDNSequence, password string, now time.Time) (*Certificate, error)
	Profile string // rules for new passwords, PINs and products: "", or "nist" for NIST SP 800-63B-4, AAL2
}

// Certificate is a client certificate that was issued for an agent.
type Certificate struct {
	PEM       string // itself
	Authority string // the certificate of who signed it, PEM
	KeyHash   string // SHA-256 of its public key, lower-case hex
	PFX       []byte // PKCS#12 with its key, encrypted with the password
}

// complete sets the defaults.
func (c *Config) complete() {
	if c.LargeBody == 0 {
		c.LargeBody = LargeBody
	}
	if c.ImportRows == 0 {
		c.ImportRows = importRows
	}
	if c.Version == "" {
		c.Version = "development"
	}
	if c.CheckIn == 0 {
		c.CheckIn = checkInDefault
	}
	if c.CodeExpiry == 0 {
		c.CodeExpiry = codeExpiryDefault
	}
	if c.LargeWait == 0 {
		c.LargeWait = store.DefaultBulkTimeout
	}
	if c.CodeAccounts == 0 {
		c.CodeAccounts = codeAccountsDefault
	}
	c.Prefix = strings.TrimRight(c.Prefix, "/")
}
