package conn

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Network is what refusals are counted by: an IPv4 address, or the /64 that one IPv6 customer holds.
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

// RemoteOf returns a caller's address without port. What X-Forwarded-For says is believed only of trusted proxies: from
// the right, the first address that is not one of theirs.
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
			break // a proxy that says nothing is all there is to go by
		}
		at = next
	}
	return at.Unmap().String()
}

// hostOf takes the port, and an IPv6 address's brackets, off an address.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}
