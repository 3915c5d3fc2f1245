package storetest

import (
	"net"
	"net/url"
	"testing"
)

// Proxy stands between a client and the server of a PostgreSQL URL until the test ends, and returns the URL by which the client goes
// through it. carry passes on what either says, and closes both. After shut no client gets through any more.
func Proxy(t testing.TB, database string, carry func(client, server net.Conn)) (through string, shut func()) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	shut = func() { l.Close() }
	t.Cleanup(shut)
	u.Host = l.Addr().String()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			go carry(in, out)
		}
	}()
	return u.String(), shut
}
