package rpc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"

	"tokensmith/model/modeltest"
	"tokensmith/store/storetest"
)

// TestRadiusStrangersOverTLS: connections that prove nothing take the room of no client from another network, and one whose certificate
// is that of no active client is closed, though an authority has signed it.
func TestRadiusStrangersOverTLS(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := newService(t, url)
		s.do(t, "domain/create", `{"attrs":{"name":"corp.example"}}`)
		withUser(t, s, "ada", "")
		authority := x509.NewCertPool()
		var ca *x509.Certificate
		var caKey *ecdsa.PrivateKey
		certify := func() (cert tls.Certificate, hash string) {
			t.Helper()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: ca == nil, BasicConstraintsValid: true}
			if ca == nil {
				ca, caKey = c, key
			}
			made, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), caKey)
			if err != nil {
				t.Fatal(err)
			}
			read, err := x509.ParseCertificate(made)
			if err != nil {
				t.Fatal(err)
			}
			if c == ca {
				ca = read
				authority.AddCert(read)
			}
			sum := sha256.Sum256(read.RawSubjectPublicKeyInfo)
			return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, hex.EncodeToString(sum[:])
		}
		own, _ := certify()
		client, hash := certify()
		other, _ := certify()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- s.Radius().ServeTLS(ctx, listener, &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: authority})
		}()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		dial := func(from string) net.Conn {
			t.Helper()
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(modeltest.Patience))
			return conn
		}
		over := func(from string, cert tls.Certificate) *tls.Conn {
			return tls.Client(dial(from), &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: authority, ServerName: "127.0.0.1"})
		}
		closed := func(conn net.Conn) bool {
			_, err := conn.Read(make([]byte, 1))
			timeout, ok := err.(net.Error)
			return err != nil && !(ok && timeout.Timeout())
		}
		s.do(t, "radiusClient/create", `{"attrs":{"name":"branch","certificate":"`+hash+`","application.name":"tokensmith"}}`)

		// Another certificate of the authority: closed before it asks anything.
		stranger := over("127.0.0.1", other)
		if err := stranger.Handshake(); err == nil && !closed(stranger) {
			t.Error("a connection with a certificate of no client stays open")
		}
		// So many who do not even shake hands that their network has no room for more.
		first := dial("127.0.0.3")
		for range 32 {
			dial("127.0.0.3")
		}
		if !closed(first) || !strings.Contains(metricsOf(s), `tokensmith_radius_dropped_total{reason="overload"} 1`) {
			t.Error("a network has room for any number of strangers")
		}
		// A client from elsewhere is answered.
		conn := over("127.0.0.2", client)
		n := &nas{t: t, s: s, secret: "radsec"}
		request := n.signed(n.asking("ada", hotps[0]))
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, int(head[2])<<8|int(head[3]))
		copy(reply, head)
		if _, err := io.ReadFull(conn, reply[4:]); err != nil {
			t.Fatal(err)
		}
		if got := n.read(request, reply).Code; got != radius.CodeAccessAccept {
			t.Errorf("a client is answered %v", got)
		}
		conn.Close()
		s.do(t, "radiusClient/set", `{"radiusClient":{"name":"branch"},"attrs":{"status":"DISABLED"}}`)
		if conn := over("127.0.0.2", client); conn.Handshake() == nil && !closed(conn) {
			t.Error("a connection of a disabled client stays open")
		}
	})
}
