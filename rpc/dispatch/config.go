package dispatch

import (
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"tokensmith/rpc/conn"
	"tokensmith/rpc/sender"
	"tokensmith/store"
)

// LargeBody is how many bytes a file or a batch has at most, unless a Config says otherwise.
const LargeBody = 256 << 20

const (
	DeviceBody = 64 << 10 // of one whose sender is not known yet
	SmallBody  = 1 << 20

	importRows = 100_000

	checkInDefault      = 5 * time.Minute
	codeExpiryDefault   = 7 * 24 * time.Hour
	codeAccountsDefault = 100
)

// Config is what a Server needs from outside. Clock, ids and randomness come in here, so that nothing inside makes
// its own.
type Config struct {
	Store        store.Store
	Now          func() time.Time
	NewID        func() string // 32 lower-case hex digits, later ones greater
	Rand         io.Reader     // for seeds, serials and client secrets
	Log          zerolog.Logger
	Prefix       string                   // in front of /object/method, besides none; "/das5/rest"
	StrictJSON   bool                     // refuse the documented dialect
	PublicURL    string                   // gives links their host
	LargeBody    int64                    // bytes of a file or batch; 0 = 256 MiB
	Spool        []string                 // folders for what is too large for memory, the first that takes it; none = the system's for temporary files
	Connections  *conn.Connections        // of the listeners; nil = they are not counted
	LargeWait    time.Duration            // how long a call that needs much memory waits for the others; 0 = as long as one of them may take
	AgentRate    int                      // calls a second of an agent without a limit of its own; 0 = any
	Proxies      []netip.Prefix           // whose X-Forwarded-For is believed
	Senders      map[string]sender.Sender // by channel, SMTP and SMS; none = it is not set up
	ImportRows   int                      // rows of one file; 0 = 100,000
	Version      string                   // of the program, for documents
	CheckIn      time.Duration            // how often devices are asked to check in; 0 = 5 minutes
	CodeExpiry   time.Duration            // of automatic installation codes; 0 = 7 days
	CodeAccounts int                      // accounts that one installation code makes within an hour; 0 = 100
	TimeZone     *time.Location           // of a date that is a day alone; nil = UTC
	Profile      string                   // what new passwords, PINs and products must be: "", or "nist" for NIST SP 800-63B-4, AAL2
}

// complete puts the defaults in where nothing is said.
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
