//go:build !linux

package radius

import (
	"net"
	"net/netip"
)

// asksLocal does nothing: only Linux is served with several addresses on one socket.
func asksLocal(*net.UDPConn) {}

// readFrom reads a datagram.
func readFrom(conn *net.UDPConn, b []byte) (n int, local []byte, from netip.AddrPort, err error) {
	n, from, err = conn.ReadFromUDPAddrPort(b)
	return n, nil, from, err
}
