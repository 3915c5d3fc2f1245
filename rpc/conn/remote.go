package conn

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Network returns the network that refusals are counted for: an IPv4 address, or the /64 of an IPv6 address, which usually
// belongs to one customer.
func Network(remote string) string {
	addr, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	p, _ := addr.Prefix(64)
	return p.String()
}

// RemoteOf returns the caller's address without port. X-Forwarded-For is used only if it comes from a trusted proxy. Then the
// address is the rightmost one in it that is not a trusted proxy.
func RemoteOf(r *http.Request, trusted []netip.Prefix) string {
	remote := hostOf(r.RemoteAddr)
	if len(trusted) == 0 {
		return remote
	}
	at, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) }) {
			break
		}
		next, err := netip.ParseAddr(hostOf(strings.TrimSpace(hop)))
		if err != nil {
			break // without a valid address, the proxy's own address is used
		}
		at = next
	}
	return at.Unmap().String()
}

// hostOf removes the port, and the brackets of an IPv6 address, from an address.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}
