package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"tokensmith/rpc"
	"tokensmith/rpc/conn"
	"tokensmith/rpc/dispatch"
)

const (
	maxStreams  = 32 // parallel calls on one HTTP/2 connection, because the limits count only connections
	idleTimeout = 2 * time.Minute
	stopTimeout = 30 * time.Second // how long running calls may take when the server stops
	headerBytes = 64 << 10
	filesKept   = 384 // file descriptors reserved for other purposes: the database, large calls, outgoing connections, and connections that are turned away
	maxFaults   = 20  // log lines per minute about failed connections
)

// listeners are the addresses of serve. main serves everything. auth, if there is one, serves only auth/*.
type listeners struct {
	main, auth net.Listener // auth may be nil
	scheme     string
	tls        *tls.Config // nil for plain HTTP
	open       *conn.Connections
}

// open opens the listeners of the flags. Plain HTTP on an address that other machines can reach is refused.
func (f *serveFlags) open() (*listeners, error) {
	secure, err := f.on()
	if err != nil {
		return nil, err
	}
	l := &listeners{scheme: "http"}
	if secure {
		l.scheme = "https"
	}
	if l.main, err = listenAt("--listen", f.listen); err != nil {
		return nil, err
	}
	if f.authListen != "" {
		if l.auth, err = listenAt("--auth-listen", f.authListen); err != nil {
			l.close()
			return nil, err
		}
	}
	for _, at := range l.all() {
		if !secure && !f.insecure && !loopback(at.Addr()) {
			l.close()
			return nil, fmt.Errorf("plain HTTP on %s can be read by others on the network: give --tls-cert or --tls-self; "+
				"--insecure allows it", at.Addr())
		}
	}
	return l, nil
}

// listenAt listens on the address of a flag.
func listenAt(flag, at string) (net.Listener, error) {
	l, err := net.Listen("tcp", at)
	var failed *net.OpError
	var address *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is in use, perhaps by another tokensmith serve: give another one with %s", at, flag)
	case errors.As(err, &address):
		return nil, fmt.Errorf("%s %s: %s: give an address such as 127.0.0.1:8070", flag, at, address.Err)
	case errors.As(err, &failed):
		return nil, fmt.Errorf("%s %s: %w", flag, at, failed.Err)
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", flag, at, err)
	}
	return l, nil
}

func (l *listeners) all() []net.Listener {
	if l.auth == nil {
		return []net.Listener{l.main}
	}
	return []net.Listener{l.main, l.auth}
}

func (l *listeners) close() {
	for _, at := range l.all() {
		at.Close()
	}
}

// counted returns the limits for connections. If the process may not open enough files, the number of connections is reduced. The
// remaining file descriptors are for event streams.
func (f *serveFlags) counted(proxies []netip.Prefix) (limits conn.ConnectionLimits, warning string) {
	limits = conn.ConnectionLimits{All: f.connections, Address: f.addressConnections, Proxies: proxies}
	var files syscall.Rlimit // the Go runtime has raised the soft limit to the hard limit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > math.MaxInt32 {
		return limits, ""
	}
	room := max(int(files.Cur)-filesKept, int(files.Cur)/2)
	if limits.All > room*3/4 {
		limits.All = room * 3 / 4
		warning = fmt.Sprintf("the limit of open files, %d, leaves room for %d connections and %d event streams of "+
			"devices: raise it (ulimit -n, LimitNOFILE), or give --connections",
			files.Cur, limits.All, room-limits.All)
	}
	limits.Streams = min(room-limits.All, conn.DefaultStreams)
	return limits, warning
}

// base returns the beginning of URLs for the main listener. If it listens on all addresses, the URL has the name of the machine.
func (l *listeners) base() string {
	at := l.main.Addr().String()
	if tcp, ok := l.main.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			at = net.JoinHostPort(name, strconv.Itoa(tcp.Port))
		}
	}
	return l.scheme + "://" + at
}

// secure sets up TLS if it is requested.
func (l *listeners) secure(e *env, f *serveFlags) error {
	if l.scheme != "https" {
		return nil
	}
	var at []net.Addr
	for _, listener := range l.all() {
		at = append(at, listener.Addr())
	}
	config, cert, err := f.config(&f.database, hostsOf(f.publicURL, at...), time.Now())
	if err != nil {
		return err
	}
	l.tls = config
	fmt.Fprintln(e.stdout, "certificate's SHA-256 "+fingerprint(cert))
	if f.self {
		fmt.Fprintln(e.stdout, "clients may trust "+f.sidecar(".ca.pem"))
	}
	return nil
}

// serveUntil serves on all listeners until ctx ends, and then lets running calls finish.
func (e *env) serveUntil(ctx context.Context, s *rpc.Server, l *listeners, log zerolog.Logger) error {
	served := make(chan error, 2)
	var servers []*http.Server
	// A failed handshake explains why a client cannot connect. But scanners cause so many that they must be limited.
	faults := log.Sample(&zerolog.BurstSampler{Burst: maxFaults, Period: time.Minute})
	serve := func(h http.Handler, at net.Listener, what string) {
		at = l.open.Listen(at, l.tls)
		srv := &http.Server{Handler: h, ReadHeaderTimeout: dispatch.HeadTime, ReadTimeout: dispatch.ReadTime, WriteTimeout: dispatch.AnswerTime,
			IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes, TLSConfig: l.tls.Clone(), // a copy, because an http.Server changes it
			HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams}, ErrorLog: stdlog.New(faults, "", 0), ConnContext: l.open.Context, ConnState: l.open.State}
		srv.RegisterOnShutdown(s.EndEvents) // otherwise event streams would never end
		servers = append(servers, srv)
		fmt.Fprintf(e.stdout, "%s on %s://%s\n", what, l.scheme, at.Addr())
		log.Info().Str("address", at.Addr().String()).Str("version", version).Msg(what)
		go func() {
			if l.tls != nil {
				served <- srv.ServeTLS(at, "", "")
			} else {
				served <- srv.Serve(at)
			}
		}()
	}
	if l.auth != nil {
		serve(s.AuthOnly(), l.auth, "auth listening")
	}
	serve(s, l.main, "listening")
	var failed error
	select {
	case failed = <-served:
	case <-ctx.Done():
		log.Info().Msg("stopping")
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	ended := make(chan error, len(servers))
	for _, srv := range servers {
		go func() { ended <- srv.Shutdown(stop) }()
	}
	for range servers {
		if err := <-ended; err != nil {
			failed = errors.Join(failed, fmt.Errorf("calls were still in flight after %s: %w", stopTimeout, err))
		}
	}
	return failed
}
