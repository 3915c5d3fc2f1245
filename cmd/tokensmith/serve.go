package main

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tokensmith/rpc"
)

type serveFlags struct {
	database
	tlsFlags
	listen, authListen, prefix, publicURL, logFormat string
	strictJSON, insecure, showSecret                 bool
	proxies                                          []string
	agentRate, connections, addressConnections       int
	checkIn, codeExpiry                              time.Duration
	codeAccounts                                     int
	couriers                                         courierFlags
}

func serveCommand(e *env) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the methods over HTTP", Args: cobra.NoArgs,
		Long: "Serve the methods over HTTP. A new database gets its schema, its key file, the built-in products and repository,\n" +
			"a first agent and an administrator of the console, whose secrets go to a file that only you can read.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serve(cmd.Context(), f) },
	}
	f.database.flags(cmd, "tokensmith.db")
	f.database.bulkFlag(cmd)
	f.tlsFlags.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8070", "address to listen on")
	flags.StringVar(&f.authListen, "auth-listen", "", "further address, which serves auth/* and oauth/token alone (8071, of old)")
	flags.StringVar(&f.prefix, "prefix", "/das5/rest", "path in front of /object/method; the bare form works as well")
	flags.BoolVar(&f.strictJSON, "strict-json", false, "refuse bodies that are not JSON, as legacy clients send them")
	flags.BoolVar(&f.insecure, "insecure", false, "allow plain HTTP on an address that is not loopback")
	flags.StringVar(&f.publicURL, "public-url", "", "what links begin with, https://host (default: the listener's address)")
	flags.StringSliceVar(&f.proxies, "trusted-proxy", nil, "CIDR range of proxies whose X-Forwarded-For is believed; repeatable")
	flags.IntVar(&f.agentRate, "agent-rate-limit", 0, "calls a second of an agent that has no limit of its own; 0 = any")
	flags.IntVar(&f.connections, "connections", rpc.DefaultConnections, "connections at most, a quarter of them for addresses of known callers; event streams of devices are not among them")
	flags.IntVar(&f.addressConnections, "address-connections", rpc.DefaultAddressConnections, "connections of one address at most, four times as many where callers are known; trusted proxies have no such limit")
	flags.DurationVar(&f.checkIn, "check-in", 5*time.Minute, "how often devices are asked to check in; one that let three pass is not online")
	flags.DurationVar(&f.codeExpiry, "code-expiry", 7*24*time.Hour, "how long the installation codes are good that new devices' owners are sent")
	flags.IntVar(&f.codeAccounts, "code-accounts-per-hour", 100, "accounts that one installation code makes within an hour at most")
	flags.StringVar(&f.logFormat, "log-format", "json", "json or console")
	f.couriers.flags(flags)
	flags.BoolVar(&f.showSecret, "show-first-secret", false, "print the first agent's secret instead of only its file")
	return cmd
}

// gcPercent is Go's GOGC where the environment sets none: little of what a call allocates outlives it, and so small a heap
// would be collected dozens of times a second. An import of 100,000 tokens takes 80 MB more by it than by Go's 100.
const gcPercent = 400

// memoryLimit is where the heap grows no more by that, and is collected more often instead; calls that may take more lift it.
// It stands where the environment sets none by GOMEMLIMIT.
const memoryLimit = 224 << 20

func (e *env) serve(ctx context.Context, f *serveFlags) error {
	if e.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	}
	if e.getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	}
	log, err := e.logger(f.logFormat)
	if err != nil {
		return err
	}
	if f.publicURL != "" {
		if u, err := url.Parse(f.publicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--public-url must be like https://host, not %q", f.publicURL)
		}
	}
	if f.checkIn < time.Minute || f.checkIn > 24*time.Hour {
		return fmt.Errorf("--check-in must be from 1m to 24h, not %s", f.checkIn)
	}
	if f.codeExpiry < time.Minute || f.codeAccounts < 1 {
		return errors.New("--code-expiry must be at least 1m, --code-accounts-per-hour at least 1")
	}
	if f.connections < 8 || f.addressConnections < 1 {
		return errors.New("--connections must be at least 8, --address-connections at least 1")
	}
	couriers, err := f.couriers.open()
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
	room, narrow := f.counted(proxies)
	if narrow != "" {
		log.Warn().Msg(narrow)
	}
	l.open = rpc.NewConnections(room)
	if f.publicURL == "" {
		f.publicURL = l.base()
	}
	if err := l.secure(e, f); err != nil {
		return err
	}
	s, st, err := f.database.open(ctx, rpc.Config{Log: log, Version: version, Prefix: f.prefix, StrictJSON: f.strictJSON, PublicURL: f.publicURL,
		Proxies: proxies, Connections: l.open, Spool: f.spool(e.getenv("TMPDIR")), AgentRate: f.agentRate, CheckIn: f.checkIn, LargeWait: *f.database.bulk, CodeExpiry: f.codeExpiry, CodeAccounts: f.codeAccounts, Couriers: couriers})
	if err != nil {
		return err
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Error().Err(err).Msg("closing the database")
		}
	}()
	for _, warning := range st.Warnings() {
		log.Warn().Msg(warning)
	}
	if err := e.firstAgent(ctx, s, f, l.base()); err != nil {
		return err
	}
	debug.FreeOSMemory() // of the hash of the first administrator's password
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go s.Watch(ctx)
	go s.Follow(ctx)
	delivered := make(chan struct{})
	go func() {
		s.Deliver(ctx)
		close(delivered)
	}()
	err = e.serveUntil(ctx, s, l, log)
	stop()
	<-delivered
	return err
}

// spool gives the folders for what is too large for memory: a disk before what may be memory.
func (f *serveFlags) spool(temp string) []string {
	folders := []string{"/var/tmp", filepath.Dir(f.beside("")), os.TempDir()}
	if temp != "" {
		folders = slices.Insert(folders, 0, temp)
	}
	return folders
}

// prefixes reads CIDR ranges.
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

// firstAgent makes a new database's first agent and administrator, and says how to begin.
func (e *env) firstAgent(ctx context.Context, s *rpc.Server, f *serveFlags, base string) error {
	file := f.beside(".first-agent.json")
	// Written before the agent is there for good, so that its secret is not lost; named as it should be only then, for
	// another process may be making the first agent at the same time.
	written := fmt.Sprint(file, ".", os.Getpid())
	password := cryptorand.Text()
	first, err := s.FirstAgent(ctx, func(a rpc.FirstAgent) error {
		text, err := json.Marshal(map[string]string{"clientId": a.ClientID, "clientSecret": a.ClientSecret, "loginName": firstAdmin, "password": password})
		if err != nil {
			return err
		}
		return writePrivate(written, append(text, '\n'))
	})
	if err != nil || first == nil {
		if gone := os.Remove(written); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return err
	}
	if err := os.Rename(written, file); err != nil {
		return err
	}
	if err := makeAdmin(ctx, s, adminDomain, firstAdmin, password, []string{"*"}); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "a new database: its first agent and its administrator may do everything; their secrets are in %s\n", file)
	if !f.showSecret {
		password = "..."
	}
	fmt.Fprintf(e.stdout, "\nopen the console:\n\n  %s/console/\n  login name %s, password %s\n", base, firstAdmin, password)
	user := first.ClientID + ":..."
	if f.showSecret {
		user = first.ClientID + ":" + first.ClientSecret
	}
	fmt.Fprintf(e.stdout, "\nmake a token:\n\n  curl -u '%s' %s%s/token/create -d '{\"attrs\":{\"product\":{\"manufacturerCode\":\"DN\",\"productCode\":\"SE\"}}}'\n\n",
		user, base, strings.TrimRight(f.prefix, "/"))
	return nil
}

// writePrivate writes a file that only its owner can read, durably.
func writePrivate(file string, text []byte) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
