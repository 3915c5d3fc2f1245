package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tokensmith/rpc/dispatch"
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

func radiusCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "radius", Short: "Try whether users can log on through a client of RADIUS"}
	cmd.AddCommand(radiusTestCommand(e))
	return cmd
}

func radiusTestCommand(e *env) *cobra.Command {
	var d database
	var server string
	cmd := &cobra.Command{
		Use: "test CLIENT USER", Short: "Play a client: ask whether a user's password or OTP is right, and answer what is asked for", Args: cobra.ExactArgs(2),
		Long: "Play a client of RADIUS, by its name, with its secret. Each line of standard input is what the user types: the first a password, an\n" +
			"OTP, or a PIN and an OTP, each further one the answer to a challenge. It is decided on as for the client itself: an OTP is\n" +
			"used up, and a wrong one counts. Without --server this process decides; with it, the request goes over the network,\n" +
			"and the server must know this machine by its address as that client. The exit status is 0 only for an Access-Accept.",
		Example: `  tokensmith radius test gateway john.smith --db tokensmith.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.exists(); err != nil {
				return err
			}
			s, st, err := d.open(cmd.Context(), dispatch.Config{Log: e.jsonLog().Level(zerolog.WarnLevel)})
			if err != nil {
				return err
			}
			defer st.Close()
			p, err := s.Radius().Play(cmd.Context(), args[0], server)
			if err != nil {
				return err
			}
			lines := bufio.NewScanner(e.stdin)
			fmt.Fprintln(e.stdout, "Password or OTP:")
			for lines.Scan() {
				a, err := p.Ask(cmd.Context(), args[1], strings.TrimRight(lines.Text(), "\r"))
				if err != nil {
					return err
				}
				fmt.Fprintln(e.stdout, a.Code)
				for _, attribute := range a.Attributes {
					fmt.Fprintln(e.stdout, "  "+attribute)
				}
				if a.Message != "" {
					fmt.Fprintln(e.stdout, a.Message)
				}
				switch a.Code {
				case "Access-Accept":
					return nil
				case "Access-Reject":
					return errRefused
				}
			}
			return errors.Join(lines.Err(), errors.New("nothing more was typed"))
		},
	}
	d.flags(cmd, "tokensmith.db")
	cmd.Flags().StringVar(&server, "server", "", "address of a server, such as 127.0.0.1:1812; default: this process decides")
	return cmd
}
