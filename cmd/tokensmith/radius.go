package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"tokensmith/rpc/radius"
)

// radiusFlags are the addresses on which serve answers RADIUS. By default there are none.
type radiusFlags struct {
	listen []string
	radsec string
}

func (f *radiusFlags) flags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.listen, "radius-listen", nil, "address on which clients ask by RADIUS (UDP), such as 0.0.0.0:1812; repeatable")
	flags.StringVar(&f.radsec, "radsec-listen", "", "address on which clients ask by RADIUS over TLS, with a certificate, such as 0.0.0.0:2083")
}

// radiusListeners are these addresses, opened.
type radiusListeners struct {
	udp    []*net.UDPConn
	radsec net.Listener // nil if there is none
}

func (f *radiusFlags) open(secure bool) (*radiusListeners, error) {
	l := &radiusListeners{}
	if f.radsec != "" && !secure {
		return nil, errors.New("--radsec-listen needs --tls-cert or --tls-self")
	}
	for _, at := range f.listen {
		address, err := net.ResolveUDPAddr("udp", at)
		var conn *net.UDPConn
		if err == nil {
			network := "udp"
			if address.IP.To4() != nil {
				network = "udp4" // 0.0.0.0 means IPv4 alone, and [::] both
			}
			conn, err = net.ListenUDP(network, address)
		}
		if err != nil {
			l.close()
			return nil, fmt.Errorf("--radius-listen %s: %w", at, err)
		}
		l.udp = append(l.udp, conn)
	}
	if f.radsec != "" {
		var err error
		if l.radsec, err = listenAt("--radsec-listen", f.radsec); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *radiusListeners) close() {
	for _, conn := range l.udp {
		conn.Close()
	}
	if l.radsec != nil {
		l.radsec.Close()
	}
}

// serveRadius begins to answer RADIUS. The function that it returns stops that, and waits for what is being decided on.
func (e *env) serveRadius(ctx context.Context, s *radius.Server, l *radiusListeners, config *tls.Config, log zerolog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	run := func(what, at string, serve func() error) {
		fmt.Fprintf(e.stdout, "%s on %s\n", what, at)
		log.Info().Str("address", at).Msg(what)
		group.Go(func() {
			if err := serve(); err != nil {
				log.Error().Err(err).Msg(what)
			}
		})
	}
	for _, conn := range l.udp {
		run("answering RADIUS", "udp://"+conn.LocalAddr().String(), func() error { return s.ServeUDP(ctx, conn) })
	}
	if l.radsec != nil {
		run("answering RADIUS", "tls://"+l.radsec.Addr().String(), func() error { return s.ServeTLS(ctx, l.radsec, config) })
	}
	if len(l.udp) > 0 || l.radsec != nil {
		group.Go(func() { s.Watch(ctx) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}
