package radius

import (
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

// A server with several addresses must send a reply from the address that the request was sent to, or the client does not take it. A
// socket that listens on all addresses does not do that by itself; Linux tells the address with each datagram (ip(7), ipv6(7)).

// asksLocal has the socket tell the address.
func asksLocal(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
	})
}

// readFrom reads a datagram. local is what makes a reply leave from the address that it was sent to; nil if that is not known.
func readFrom(conn *net.UDPConn, b []byte) (n int, local []byte, from netip.AddrPort, err error) {
	var control [128]byte
	n, controlled, _, from, err := conn.ReadMsgUDPAddrPort(b, control[:])
	if err == nil {
		local = localOf(control[:controlled])
	}
	return n, local, from, err
}

// localOf makes the control message of a reply from that of a request.
func localOf(control []byte) []byte {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == syscall.IP_PKTINFO && len(m.Data) >= syscall.SizeofInet4Pktinfo:
			out := make([]byte, syscall.CmsgSpace(syscall.SizeofInet4Pktinfo))
			head(out, syscall.IPPROTO_IP, syscall.IP_PKTINFO, syscall.SizeofInet4Pktinfo)
			copy(out[syscall.CmsgLen(0)+4:], m.Data[4:8]) // ipi_spec_dst, the local address; the interface is left to the routes
			return out
		case m.Header.Level == syscall.IPPROTO_IPV6 && m.Header.Type == syscall.IPV6_PKTINFO && len(m.Data) >= syscall.SizeofInet6Pktinfo:
			out := make([]byte, syscall.CmsgSpace(syscall.SizeofInet6Pktinfo))
			head(out, syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, syscall.SizeofInet6Pktinfo)
			copy(out[syscall.CmsgLen(0):], m.Data[:syscall.SizeofInet6Pktinfo])
			return out
		}
	}
	return nil
}

func head(out []byte, level, typ int32, size int) {
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&out[0]))
	h.Level, h.Type = level, typ
	h.SetLen(syscall.CmsgLen(size))
}
