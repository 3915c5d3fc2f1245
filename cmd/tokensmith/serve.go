package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tokensmith/rpc"
)

const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 10 * time.Minute // a large file over a slow line
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 30 * time.Second // for calls in flight
	headerBytes   = 64 << 10
)

type serveFlags struct {
	database
	listen, prefix, publicURL, logFormat string
	strictJSON, insecure, showSecret     bool
	couriers                             courierFlags
}

func serveCommand(e *env) *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the methods over HTTP", Args: cobra.NoArgs,
		Long: "Serve the methods over HTTP. A new database gets its schema, its key file, the built-in products and repository,\n" +
			"and a first agent, whose client secret goes to a file that only you can read.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serve(cmd.Context(), f) },
	}
	f.flags(cmd, "tokensmith.db")
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8070", "address to listen on")
	flags.StringVar(&f.prefix, "prefix", "/das5/rest", "path in front of /object/method; the bare form works as well")
	flags.BoolVar(&f.strictJSON, "strict-json", false, "refuse bodies that are not JSON, as legacy clients send them")
	flags.BoolVar(&f.insecure, "insecure", false, "allow plain HTTP on an address that is not loopback")
	flags.StringVar(&f.publicURL, "public-url", "", "what links begin with, https://host (default: the listener's address)")
	flags.StringVar(&f.logFormat, "log-format", "json", "json or console")
	f.couriers.flags(flags)
	flags.BoolVar(&f.showSecret, "show-first-secret", false, "print the first agent's secret instead of only its file")
	return cmd
}

func (e *env) serve(ctx context.Context, f *serveFlags) error {
	log, err := e.logger(f.logFormat)
	if err != nil {
		return err
	}
	if f.publicURL != "" {
		if u, err := url.Parse(f.publicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("--public-url must be like https://host, not %q", f.publicURL)
		}
	}
	couriers, err := f.couriers.open()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	if !f.insecure && !loopback(listener.Addr()) {
		return fmt.Errorf("plain HTTP on %s can be read by others on the network; --insecure allows it", listener.Addr())
	}
	base := "http://" + listener.Addr().String()
	if f.publicURL == "" {
		f.publicURL = base
	}
	s, st, err := f.open(ctx, rpc.Config{Log: log, Prefix: f.prefix, StrictJSON: f.strictJSON, PublicURL: f.publicURL, Couriers: couriers})
	if err != nil {
		return err
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Error().Err(err).Msg("closing the database")
		}
	}()
	if err := e.firstAgent(ctx, s, f, base); err != nil {
		return err
	}
	delivered := make(chan struct{})
	go func() {
		s.Deliver(ctx)
		close(delivered)
	}()
	err = e.serveUntil(ctx, s, listener, log)
	<-delivered
	return err
}

// serveUntil serves until ctx ends; calls in flight then finish.
func (e *env) serveUntil(ctx context.Context, h http.Handler, listener net.Listener, log zerolog.Logger) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes}
	fmt.Fprintln(e.stdout, "listening on http://"+listener.Addr().String())
	log.Info().Str("address", listener.Addr().String()).Str("version", version).Msg("listening")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info().Msg("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return fmt.Errorf("calls were still in flight after %s: %w", stopTimeout, err)
	}
	return nil
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// firstAgent makes a new database's first agent, and says how to make the first call.
func (e *env) firstAgent(ctx context.Context, s *rpc.Server, f *serveFlags, base string) error {
	file := f.beside(".first-agent.json")
	first, err := s.FirstAgent(ctx, func(a rpc.FirstAgent) error {
		text, err := json.Marshal(map[string]string{"clientId": a.ClientID, "clientSecret": a.ClientSecret})
		if err != nil {
			return err
		}
		return writePrivate(file, append(text, '\n'))
	})
	if err != nil || first == nil {
		return err
	}
	fmt.Fprintf(e.stdout, "a new database: its first agent may do everything; client id and secret are in %s\n", file)
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
