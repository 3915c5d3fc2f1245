package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// tlsFlags are the settings for TLS. Without them the listeners use plain HTTP.
type tlsFlags struct {
	cert, key, clientCA string
	self                bool
}

func (f *tlsFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.cert, "tls-cert", "", "PEM file of the server's certificate, with its chain; read again when it changes")
	flags.StringVar(&f.key, "tls-key", "", "PEM file of its key")
	flags.BoolVar(&f.self, "tls-self", false, "serve TLS with a certificate that tokensmith makes and keeps next to the database")
	flags.StringVar(&f.clientCA, "client-ca", "", "PEM file of the authorities of client certificates (default: the built-in one)")
}

// on returns whether TLS is requested, or an error if the flags contradict each other.
func (f *tlsFlags) on() (bool, error) {
	switch {
	case (f.cert == "") != (f.key == ""):
		return false, errors.New("--tls-cert and --tls-key go together")
	case f.self && f.cert != "":
		return false, errors.New("give --tls-cert or --tls-self, not both")
	case f.clientCA != "" && !f.self && f.cert == "":
		return false, errors.New("--client-ca needs --tls-cert or --tls-self")
	}
	return f.self || f.cert != "", nil
}

// config returns the TLS configuration of the listeners. A client may send a certificate. If it has expired, or none of the
// authorities signed it, the handshake fails. Package rpc decides from the public key whose certificate it is.
func (f *tlsFlags) config(d *database, hosts []string, now time.Time) (*tls.Config, *x509.Certificate, error) {
	clients := x509.NewCertPool()
	var ca *keyPair
	var err error
	if f.clientCA == "" || f.self {
		if ca, err = d.authority(now); err != nil {
			return nil, nil, err
		}
	}
	if f.clientCA == "" {
		clients.AddCert(ca.cert)
	} else {
		text, err := os.ReadFile(f.clientCA)
		if err != nil {
			return nil, nil, err
		}
		if !clients.AppendCertsFromPEM(text) {
			return nil, nil, fmt.Errorf("%s contains no certificate", f.clientCA)
		}
	}
	certFile, keyFile := f.cert, f.key
	if f.self {
		if certFile, keyFile, err = d.selfMade(ca, hosts, now); err != nil {
			return nil, nil, err
		}
	}
	files := &certFiles{cert: certFile, key: keyFile}
	pair, err := files.get(nil)
	if err != nil {
		return nil, nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients,
		NextProtos: []string{"h2", "http/1.1"}}, pair.Leaf, nil
}

// certFiles serves a certificate from files, and reloads it when the files are replaced.
type certFiles struct {
	cert, key string

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time // modification time of the certificate file
	looked  time.Time
}

const certInterval = 10 * time.Second // interval between two checks of the file

func (f *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pair != nil && time.Since(f.looked) < certInterval {
		return f.pair, nil
	}
	f.looked = time.Now()
	info, err := os.Stat(f.cert)
	if err == nil && (f.pair == nil || !info.ModTime().Equal(f.changed)) {
		var pair tls.Certificate
		if pair, err = readPair(f.cert, f.key); err == nil {
			f.pair, f.changed = &pair, info.ModTime()
		}
	}
	if f.pair != nil {
		return f.pair, nil // only half of a new pair may be there: serve the old pair until the next check
	}
	return nil, err
}

// hostsOf returns the hosts that the server's own certificate must be valid for.
func hostsOf(publicURL string, listeners ...net.Addr) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	for _, l := range listeners {
		if tcp, ok := l.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() && !tcp.IP.IsLoopback() {
			hosts = append(hosts, tcp.IP.String())
		}
	}
	if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" && u.Hostname() != "127.0.0.1" {
		hosts = append([]string{u.Hostname()}, hosts...)
	}
	return hosts
}
