package main

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/rpc"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/people"
	"tokensmith/store"
)

type serveFlags struct {
	database
	tlsFlags
	listen, authListen, prefix, publicURL, logFormat string
	strictJSON, insecure, showSecret, create         bool
	proxies                                          []string
	agentRate, connections, addressConnections       int
	checkIn, codeExpiry                              time.Duration
	codeAccounts                                     int
	profile                                          string
	loginMemory                                      int
	senders                                          senderFlags
	radius                                           radiusFlags
}

func serveCommand(e *env) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the methods over HTTP", Args: cobra.NoArgs,
		Long: "Serve the methods over HTTP. A new database gets its schema, its key file, the built-in products and repository, a first\n" +
			"agent and an administrator of the console, whose secrets go to a file that only you can read. A new database is made only\n" +
			"if its SQLite file, its log (-wal) and its key file are all missing. If one of them is there, the others were moved or\n" +
			"lost; then --create makes a new database all the same.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serve(cmd.Context(), f) },
	}
	f.database.flags(cmd, "tokensmith.db")
	f.database.bulkFlag(cmd)
	f.tlsFlags.flags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.create, "create", false, "make a new SQLite database if there is none, even if the key file or log "+
		"(-wal) of an old one is left; the log is kept under another name")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8070", "address to listen on")
	flags.StringVar(&f.authListen, "auth-listen", "", "second address, which serves only auth/* and oauth/token (older "+
		"clients expect port 8071)")
	flags.StringVar(&f.prefix, "prefix", "/das5/rest", "path in front of /object/method; the bare form works as well")
	flags.BoolVar(&f.strictJSON, "strict-json", false, "refuse bodies that are not valid JSON, such as old clients send")
	flags.BoolVar(&f.insecure, "insecure", false, "allow plain HTTP on an address that is not loopback")
	flags.StringVar(&f.publicURL, "public-url", "", "beginning of links, https://host (default: the listener's address)")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "CIDR range of proxies whose X-Forwarded-For is trusted; repeatable")
	flags.IntVar(&f.agentRate, "agent-rate-limit", 0, "calls per second of an agent without a limit of its own; 0 = no limit")
	flags.IntVar(&f.connections, "connections", conn.DefaultConnections, "most connections, a quarter of them for "+
		"addresses of known callers; event streams of devices are not counted")
	flags.IntVar(&f.addressConnections, "address-connections", conn.DefaultAddressConnections, "most connections of one "+
		"address, four times as many for addresses of known callers; no limit for trusted proxies")
	flags.IntVar(&f.loginMemory, "login-memory", store.DefaultMemory>>20, "most megabytes in which an SQLite database keeps "+
		"what logins read, so that a user's next login reads less, from 0 to 65536; 0 = none")
	flags.DurationVar(&f.checkIn, "check-in", 5*time.Minute, "how often devices are asked to check in; one that misses "+
		"three is shown as offline")
	flags.DurationVar(&f.codeExpiry, "code-expiry", 7*24*time.Hour, "how long installation codes that are sent to owners "+
		"of new devices are valid")
	flags.IntVar(&f.codeAccounts, "code-accounts-per-hour", 100, "most accounts that one installation code makes within an hour")
	flags.StringVar(&f.profile, "profile", "", "nist: what is set from now on must meet NIST SP 800-63B-4, AAL2")
	flags.StringVar(&f.logFormat, "log-format", "json", "json or console")
	f.senders.flags(flags)
	f.radius.flags(flags)
	flags.BoolVar(&f.showSecret, "show-first-secret", false, "print the first agent's secret instead of only its file")
	return cmd
}

// gcPercent is the GOGC value if the environment has none. Most of what a call allocates is garbage afterwards, and with the
// default the small heap would be collected dozens of times per second. With more than about twice this value, hostile callers
// could make the process use half a gigabyte.
const gcPercent = 200

// prefixForm is the form of a prefix: a path that has only one spelling.
var prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*)*/?$`)

func (e *env) serve(ctx context.Context, f *serveFlags) error {
	if e.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	}
	log, err := e.logger(f.logFormat)
	if err != nil {
		return err
	}
	if !prefixForm.MatchString(f.prefix) {
		return fmt.Errorf("--prefix must be a path such as /das5/rest, of letters, digits, _, ~, - and dots between them, not %q", f.prefix)
	}
	if f.publicURL != "" {
		if u, err := url.Parse(f.publicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--public-url must be like https://host, not %q", f.publicURL)
		}
	}
	if f.checkIn < time.Minute || f.checkIn > 24*time.Hour {
		return fmt.Errorf("--check-in must be from 1m to 24h, not %s", f.checkIn)
	}
	if f.loginMemory < 0 || f.loginMemory > 64<<10 {
		return fmt.Errorf("--login-memory must be from 0 to 65536, not %d", f.loginMemory)
	}
	if f.codeExpiry < time.Minute || f.codeAccounts < 1 {
		return errors.New("--code-expiry must be at least 1m, --code-accounts-per-hour at least 1")
	}
	if !people.IsProfile(f.profile) {
		return fmt.Errorf("--profile can only be nist, not %q", f.profile)
	}
	if f.connections < 8 || f.addressConnections < 1 {
		return errors.New("--connections must be at least 8, --address-connections at least 1")
	}
	senders, err := f.senders.open()
	if err != nil {
		return err
	}
	proxies, err := prefixes(f.proxies)
	if err != nil {
		return err
	}
	l, err := f.open()
	if err != nil {
		return err
	}
	defer l.close()
	asked, err := f.radius.open(l.scheme == "https")
	if err != nil {
		return err
	}
	defer asked.close()
	room, narrow := f.counted(proxies)
	if narrow != "" {
		log.Warn().Msg(narrow)
	}
	l.open = conn.NewConnections(room)
	if f.publicURL == "" {
		f.publicURL = l.base()
	}
	certify := f.certify
	if f.clientCA != "" {
		certify = nil // the listeners take those of other authorities
	}
	s, st, made, err := e.openServed(ctx, f, l, dispatch.Config{Certify: certify, Log: log, Version: version, Prefix: f.prefix, StrictJSON: f.strictJSON, PublicURL: f.publicURL,
		Proxies: proxies, Connections: l.open, Spool: f.spool(e.getenv("TMPDIR")), AgentRate: f.agentRate, CheckIn: f.checkIn, LargeWait: *f.database.bulk,
		CodeExpiry: f.codeExpiry, CodeAccounts: f.codeAccounts, Senders: senders, Profile: f.profile})
	if err != nil {
		return errors.Join(err, f.unmake()) // leave nothing behind after a failed start
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Error().Err(err).Msg("closing the database")
		}
	}()
	warnings, err := s.Warnings(ctx)
	if err != nil {
		return err
	}
	for _, warning := range append(st.Warnings(), warnings...) {
		log.Warn().Msg(warning)
	}
	e.firstSteps(made, f, l.base())
	debug.FreeOSMemory() // return the memory that hashing the first administrator's password needed
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go st.WatchSchema(ctx)
	go s.Maintain(ctx)
	go s.Follow(ctx)
	go s.WatchGuessing(ctx)
	go func() {
		if err := s.CountNames(ctx); err != nil && ctx.Err() == nil {
			log.Error().Err(err).Msg("counting names")
		}
	}()
	delivered := make(chan struct{})
	go func() {
		s.Deliver(ctx)
		close(delivered)
	}()
	stopRadius := e.serveRadius(ctx, s.Radius(), asked, l.tls, log)
	err = e.serveUntil(ctx, s, l, log)
	stop()
	stopRadius()
	<-delivered
	return err
}

// spool returns the folders for data that is too large for memory. Folders on a disk come before those that may be in memory.
func (f *serveFlags) spool(temp string) []string {
	folders := []string{"/var/tmp", filepath.Dir(f.sidecar("")), os.TempDir()}
	if temp != "" {
		folders = slices.Insert(folders, 0, temp)
	}
	return folders
}

// prefixes parses CIDR ranges.
func prefixes(list []string) (out []netip.Prefix, err error) {
	for _, cidr := range list {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy must be a CIDR range such as 192.0.2.0/24, not %q", cidr)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// openServed opens everything that is served: certificates, the database with the methods, and, for a new database, the first
// secrets. If it fails, nothing is left except what f.unmake removes.
func (e *env) openServed(ctx context.Context, f *serveFlags, l *listeners, cfg dispatch.Config) (s *rpc.Server, st store.Store, made *secrets, err error) {
	if err := f.folders(); err != nil {
		return nil, nil, nil, err
	}
	if err := l.secure(e, f); err != nil {
		return nil, nil, nil, err
	}
	options := []store.Option{store.Serving(), store.WithMemory(f.loginMemory << 20), store.WithFirst(func(st store.Store) error {
		s, err := methodsOn(ctx, cfg, st)
		if err == nil {
			made, err = f.firstSecrets(ctx, s)
		}
		return err
	})}
	if f.create {
		options = append(options, store.MakeAnyway())
	}
	s, st, err = f.database.open(ctx, cfg, options...)
	if err == nil && made == nil {
		made, err = f.firstSecrets(ctx, s) // on PostgreSQL; for SQLite, an option has made them
	}
	if made != nil { // without a database the secrets are useless, and their file is removed
		err = errors.Join(err, made.settle(f.secretsFile(), f.exists() == nil))
	}
	if err != nil && st != nil {
		err = errors.Join(err, st.Close())
	}
	return s, st, made, err
}

// secrets are the credentials of the first agent and administrator of a new database. They are in a file beside it.
type secrets struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	LoginName    string `json:"loginName"`
	Password     string `json:"password"`

	written string // temporary name of the file, until the database exists
}

func (f *serveFlags) secretsFile() string { return f.sidecar(".first-agent.json") }

// firstSecrets creates the first agent and administrator of a new database; it returns nil if the database is not new. If it
// returns secrets with an error, the secrets are in the database.
func (f *serveFlags) firstSecrets(ctx context.Context, s *rpc.Server) (*secrets, error) {
	// The file is written before the agent is committed, so that its secret cannot be lost. It gets its final name only
	// afterwards, because another process may be creating the first agent at the same time.
	made := &secrets{LoginName: firstAdmin, Password: cryptorand.Text(), written: fmt.Sprint(f.secretsFile(), ".", os.Getpid())}
	first, err := s.FirstAgent(ctx, func(a rpc.FirstAgent) error {
		made.ClientID, made.ClientSecret = a.ClientID, a.ClientSecret
		text, err := json.Marshal(made)
		if err != nil {
			return err
		}
		return writePrivate(made.written, append(text, '\n'), f.secretsFile())
	})
	if err != nil || first == nil {
		return nil, errors.Join(err, made.settle("", false))
	}
	return made, makeAdmin(ctx, s, adminDomain, firstAdmin, made.Password, []string{"*"})
}

// settle gives the file its final name, or removes it.
func (made *secrets) settle(file string, keep bool) error {
	if keep {
		// Keep a file with the secrets of an older database, because it may be the only copy of them.
		if err := os.Rename(file, file+".kept-"+time.Now().UTC().Format("20060102T150405")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return os.Rename(made.written, file)
	}
	if err := os.Remove(made.written); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// firstSteps prints how to begin, for a new database or an existing one.
func (e *env) firstSteps(made *secrets, f *serveFlags, base string) {
	file := f.secretsFile()
	if made != nil {
		fmt.Fprintf(e.stdout, "a new database: its first agent and its administrator may do everything; their secrets are in %s\n", file)
	} else if made = readSecrets(file); made != nil {
		fmt.Fprintf(e.stdout, "the secrets from when the database was made are in %s\n", file)
	}
	fmt.Fprintf(e.stdout, "\nopen the console:\n\n  %s/console/\n", base)
	if made != nil {
		password := "..."
		if f.showSecret {
			password = made.Password
		}
		fmt.Fprintf(e.stdout, "  login name %s, password %s\n", made.LoginName, password)
	}
	fmt.Fprintf(e.stdout, "\nall methods, as a page and as an OpenAPI document:\n\n  %s/methods\n  %[1]s/openapi.json\n\n", base)
	if made == nil {
		return
	}
	secret := "..."
	if f.showSecret {
		secret = made.ClientSecret
	}
	fmt.Fprintf(e.stdout, "make a token:\n\n  curl -u '%s:%s' %s%s/token/create -d '{\"attrs\":{\"product\":{\"manufacturerCode\":\"DN\",\"productCode\":\"SE\"}}}'\n\n",
		made.ClientID, secret, base, strings.TrimRight(f.prefix, "/"))
}

// readSecrets returns the first secrets of a database; nil if the file was deleted, as it should be after the secrets are stored
// elsewhere.
func readSecrets(file string) *secrets {
	text, err := os.ReadFile(file)
	made := &secrets{}
	if err != nil || json.Unmarshal(text, made) != nil || made.ClientID == "" {
		return nil
	}
	return made
}

// writePrivate writes a file that only its owner can read, durably. Errors contain the name as.
func writePrivate(file string, text []byte, as string) (err error) {
	defer func() {
		var failed *fs.PathError
		if errors.As(err, &failed) {
			failed.Path = as
		}
	}()
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(file)
	}
	return err
}
