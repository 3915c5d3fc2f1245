// Package conn holds what is outside a request: connections, counted in all and by address, with room kept for known callers; the address
// a call comes from; and the files into which large bodies and replies are spooled.
package conn

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// Where a process that nobody configures stands: see ConnectionLimits.
const (
	DefaultConnections        = 4096
	DefaultAddressConnections = 256
	DefaultStreams            = 50_000

	knownFactor = 4               // an address of known callers may have so many times as many connections
	knownFor    = time.Hour       // behind a caller's last call
	knownEvery  = time.Minute     // how often a connection notes that its caller is known
	newPatience = 3 * time.Second // for a new connection's first request, where its place is wanted

	maxTurnedAway   = 128                    // connections that are told to try again at the same time; further ones are closed
	turnedAwayTime  = 2 * time.Second        // for a handshake and all
	turnedAwayWait  = 500 * time.Millisecond // of it, for the request
	turnedAwayQuick = 10 * time.Millisecond  // where there are too many: what the system takes at once
)

// ConnectionLimits bounds what a process holds open.
type ConnectionLimits struct {
	All     int            // connections; a quarter of them is for callers who are known
	Address int            // of an IPv4 address or an IPv6 /64; four times as many when callers of it are known
	Streams int            // event streams of devices, which are not counted among the others
	Proxies []netip.Prefix // may have as many connections as there are
}

// Connections counts the connections of a process's listeners, so that nobody takes all by opening them. Where there is no room
// for a new one, one that waits for its next request makes room; where none does, the new one is told to try again.
// Without one (nil) nothing is counted.
type Connections struct {
	limits  ConnectionLimits
	away    chan struct{} // held while one is turned away
	refused atomic.Int64

	mu      sync.Mutex
	open    int
	streams int
	of      map[string]map[*Connection]struct{} // by network; streams are not there
	known   RecentMap[time.Time]                // when a caller of a network was last known
}

// NewConnections makes the count of a process. Limits of 0 are the defaults.
func NewConnections(l ConnectionLimits) *Connections {
	if l.All == 0 {
		l.All = DefaultConnections
	}
	if l.Address == 0 {
		l.Address = DefaultAddressConnections
	}
	if l.Streams == 0 {
		l.Streams = DefaultStreams
	}
	return &Connections{limits: l, away: make(chan struct{}, maxTurnedAway), of: map[string]map[*Connection]struct{}{}}
}

// Streams returns how many event streams may be open.
func (n *Connections) Streams() int {
	if n == nil {
		return DefaultStreams
	}
	return n.limits.Streams
}

// Count returns what is open, and how many were refused.
func (n *Connections) Count() (open, streams int, refused int64) {
	if n == nil {
		return 0, 0, 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open, n.streams, n.refused.Load()
}

// Connection is one that is counted.
type Connection struct {
	net.Conn
	all     *Connections
	network string
	proxy   bool

	waits    atomic.Int64 // since when it waits for a request, in Unix nanoseconds; 0 = it has one
	knownAt  atomic.Int64 // when it last noted that its caller is known
	streams  int          // event streams on it: it is counted among those
	isClosed bool
}

// Listen returns a listener whose connections are counted. Those for which there is no room are told so, over TLS where the listener's
// are: tlsConfig is nil where they are not.
func (n *Connections) Listen(at net.Listener, tlsConfig *tls.Config) net.Listener {
	if tlsConfig != nil {
		tlsConfig = tlsConfig.Clone()
		tlsConfig.NextProtos = []string{"http/1.1"} // what turnAway speaks
	}
	return &countingListener{at, n, tlsConfig}
}

type countingListener struct {
	net.Listener
	all *Connections
	tls *tls.Config
}

// Accept returns the next connection for which there is room.
func (l *countingListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if k := l.all.admit(c); k != nil {
			return k, nil
		}
		l.all.refused.Add(1)
		select {
		case l.all.away <- struct{}{}:
			go func() {
				defer func() { <-l.all.away }()
				turnAway(c, l.tls)
			}()
		default:
			if l.tls == nil {
				c.SetWriteDeadline(time.Now().Add(turnedAwayQuick))
				io.WriteString(c, noRoom)
			}
			c.Close()
		}
	}
}

// admit counts a new connection; nil = there is no room for it.
func (n *Connections) admit(c net.Conn) *Connection {
	host := hostOf(c.RemoteAddr().String())
	k := &Connection{Conn: c, all: n, network: Network(host)}
	if at, err := netip.ParseAddr(host); err == nil {
		k.proxy = slices.ContainsFunc(n.limits.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
	}
	k.waits.Store(time.Now().Add(newPatience).UnixNano())
	n.mu.Lock()
	each, known := n.limits.Address, n.isKnown(k)
	if known {
		each *= knownFactor
	}
	var victims []*Connection
	room := true
	if !k.proxy && len(n.of[k.network]) >= each {
		victims, room = n.evict(victims, k.network, known)
	}
	if room && (n.open >= n.limits.All || !known && n.strangers() >= n.limits.All-n.limits.All/4) {
		victims, room = n.evict(victims, "", known)
	}
	if room {
		n.add(k)
	}
	n.mu.Unlock()
	for _, v := range victims {
		v.Conn.Close()
	}
	if !room {
		return nil
	}
	return k
}

func (n *Connections) isKnown(k *Connection) bool {
	at, ok := n.known.Peek(k.network)
	return k.proxy || ok && time.Since(at) < knownFor
}

// strangers counts the connections of networks whose callers are not known.
func (n *Connections) strangers() (all int) {
	for _, set := range n.of {
		for k := range set {
			if !n.isKnown(k) {
				all += len(set)
			}
			break // the others are of the same network
		}
	}
	return all
}

// evict takes the connection of a network that waits longest for its next request out of the count; of any network, "", one of
// a stranger's if there is one, and where it is for a stranger no other. It says whether there was one.
func (n *Connections) evict(victims []*Connection, of string, known bool) ([]*Connection, bool) {
	longest := func(set map[*Connection]struct{}) (found *Connection) {
		since := time.Now().UnixNano()
		for k := range set {
			if w := k.waits.Load(); w != 0 && w <= since {
				found, since = k, w
			}
		}
		return found
	}
	found := longest(n.of[of])
	if of == "" {
		for _, set := range n.of {
			k := longest(set)
			if k != nil && (found == nil || n.isKnown(found)) {
				found = k
			}
			if found != nil && !n.isKnown(found) {
				break
			}
		}
	}
	if found == nil || !known && of == "" && n.isKnown(found) {
		return victims, false
	}
	n.drop(found)
	return append(victims, found), true
}

// add and drop count a connection in and out.
func (n *Connections) add(k *Connection) {
	if n.of[k.network] == nil {
		n.of[k.network] = map[*Connection]struct{}{}
	}
	n.of[k.network][k] = struct{}{}
	n.open++
}

func (n *Connections) drop(k *Connection) {
	set := n.of[k.network]
	if _, ok := set[k]; !ok {
		return // it makes room already, or streams
	}
	delete(set, k)
	if len(set) == 0 {
		delete(n.of, k.network)
	}
	n.open--
}

// Close closes the connection.
func (k *Connection) Close() error {
	k.all.mu.Lock()
	k.isClosed = true
	k.all.drop(k)
	k.all.mu.Unlock()
	return k.Conn.Close()
}

// CloseWrite says that nothing more is coming, which net/http does before it closes one on which more may come.
func (k *Connection) CloseWrite() error {
	if c, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// State is an http.Server's ConnState: it notes which connections wait.
func (n *Connections) State(c net.Conn, state http.ConnState) {
	if k := counted(c); k != nil {
		switch state {
		case http.StateActive:
			k.waits.Store(0)
		case http.StateIdle:
			k.waits.Store(time.Now().UnixNano())
		}
	}
}

type connectionKey struct{}

// Context is an http.Server's ConnContext: by it a call knows its connection.
func (n *Connections) Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, counted(c))
}

func counted(c net.Conn) *Connection {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	k, _ := c.(*Connection)
	return k
}

// ConnectionOf returns the counted connection on which a request came; nil = it is not counted.
func ConnectionOf(ctx context.Context) *Connection {
	k, _ := ctx.Value(connectionKey{}).(*Connection)
	return k
}

// Known notes that the connection's caller is known.
func (k *Connection) Known(now time.Time) {
	if k == nil {
		return
	}
	if now.UnixNano()-k.knownAt.Load() < int64(knownEvery) {
		return
	}
	k.knownAt.Store(now.UnixNano())
	k.all.mu.Lock()
	defer k.all.mu.Unlock()
	k.all.known.Put(k.network, now)
}

// Stream counts event streams on the connection: while there is one it is counted among those alone.
func (k *Connection) Stream(more int) {
	if k == nil {
		return
	}
	n := k.all
	n.mu.Lock()
	defer n.mu.Unlock()
	before := k.streams
	k.streams += more
	n.streams += more
	switch {
	case before == 0:
		n.drop(k)
	case k.streams == 0 && !k.isClosed:
		n.add(k)
	}
}

// noRoom is the answer on a connection for which there is no room.
var noRoom = func() string {
	e := string(wire.Failure(&model.Error{Kind: model.Unavailable, Msg: "too many connections, try again"}))
	return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + wire.EnvelopeHeader.Get("Content-Type") +
		"\r\nCache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(e)) + "\r\n\r\n" + e
}()

// turnAway tells the caller on a connection to try again. It waits a moment for the beginning of a request, as clients
// take an answer that comes before it for a fault.
func turnAway(c net.Conn, tlsConfig *tls.Config) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(turnedAwayTime))
	if tlsConfig != nil {
		secure := tls.Server(c, tlsConfig)
		if secure.Handshake() != nil {
			return
		}
		c = secure
	}
	c.SetReadDeadline(time.Now().Add(turnedAwayWait))
	bufio.NewReader(c).Peek(1)
	if _, err := io.WriteString(c, noRoom); err != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(turnedAwayWait))
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.CopyN(io.Discard, c, 64<<10) // what is unread when it is closed would take the answer away
}
