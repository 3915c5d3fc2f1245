package storetest

import (
	"net"
	"net/url"
	"testing"
)

// Proxy is a TCP proxy between a client and the server of a PostgreSQL URL until the test ends. It returns the URL for the
// client. carry copies the data in both directions and closes both connections. After shut, no client can connect.
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
