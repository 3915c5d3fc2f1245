package radius

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"tokensmith/model"
)

// Player plays a client, to try it before the machine itself asks. What it asks is decided on like any other request: an OTP is used up, and
// a wrong one counts.
type Player struct {
	server *Server
	client *knownClient
	at     string // of a server over the network; "" for this process

	state radius.Attribute
}

// Answer is what a client that is played gets.
type Answer struct {
	Code       string   // Access-Accept, Access-Reject or Access-Challenge
	Message    string   // the text for the user
	Attributes []string // what an Access-Accept carries, as NAME=VALUE
}

// Play returns a player of the client with that name, who asks this process or, if at is not empty, a server at that address of UDP.
func (s *Server) Play(ctx context.Context, name, at string) (*Player, error) {
	list, err := s.clients.current(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range list.all {
		if c.NameFolded != model.Fold(model.Trim(name)) {
			continue
		}
		if c.Status != model.Active {
			break
		}
		if at != "" && c.Certificate != "" {
			return nil, errors.New("the client is known by its certificate, whose key is not here: it can only be played without a server")
		}
		return &Player{server: s, client: c, at: at}, nil
	}
	return nil, fmt.Errorf("there is no active client of RADIUS with the name %q", name)
}

// Ask sends the user's password, or the answer to the challenge before.
func (p *Player) Ask(ctx context.Context, user, password string) (*Answer, error) {
	q := radius.New(radius.CodeAccessRequest, p.client.secret)
	q.Add(rfc2865.UserName_Type, radius.Attribute(user))
	hidden, err := radius.NewUserPassword([]byte(password), q.Secret, q.Authenticator[:])
	if err != nil {
		return nil, err
	}
	q.Add(rfc2865.UserPassword_Type, hidden)
	q.Add(rfc2865.NASIdentifier_Type, radius.Attribute("tokensmith radius test"))
	if p.state != nil {
		q.Add(rfc2865.State_Type, p.state)
	}
	ma := make(radius.Attribute, md5.Size)
	q.Add(rfc2869.MessageAuthenticator_Type, ma)
	unsigned, err := q.MarshalBinary()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(md5.New, q.Secret)
	mac.Write(unsigned)
	mac.Sum(ma[:0])
	request, err := q.Encode()
	if err != nil {
		return nil, err
	}
	reply, err := p.send(ctx, request)
	if err != nil {
		return nil, err
	}
	if !radius.IsAuthenticResponse(reply, request, q.Secret) {
		return nil, errors.New("the reply was not made with the client's secret")
	}
	r, err := radius.Parse(reply, q.Secret)
	if err != nil {
		return nil, err
	}
	p.state = r.Get(rfc2865.State_Type)
	a := &Answer{Code: r.Code.String()}
	for _, avp := range r.Attributes {
		switch {
		case avp.Type == rfc2865.ReplyMessage_Type:
			a.Message += string(avp.Attribute)
		case r.Code == radius.CodeAccessAccept && avp.Type != rfc2869.MessageAuthenticator_Type:
			a.Attributes = append(a.Attributes, shown(avp))
		}
	}
	return a, nil
}

// How a player asks over the network.
const (
	playTries = 3
	playWait  = 10 * time.Second
)

// send sends a request and returns the reply.
func (p *Player) send(ctx context.Context, request []byte) ([]byte, error) {
	if p.at == "" {
		from := netip.AddrPortFrom(netip.IPv6Loopback(), 0)
		var reply Reply
		if p.client.prefix.IsValid() {
			from = netip.AddrPortFrom(p.client.prefix.Addr(), 0)
		}
		r, reason := read(request)
		if reason != "" {
			return nil, errors.New(reason)
		}
		reply = p.server.handle(ctx, p.client, p.server.clients.list.Load(), r, from)
		if reply.Packet == nil {
			return nil, errors.New("the request was dropped; the log says why")
		}
		return reply.Packet, nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", p.at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	b := make([]byte, radius.MaxPacketLength)
	for range playTries {
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		conn.SetReadDeadline(time.Now().Add(playWait))
		n, err := conn.Read(b)
		if err == nil {
			return b[:n], nil
		}
	}
	return nil, fmt.Errorf("no reply from %s: does the server know this machine by its address as this client, with this secret?", p.at)
}

// shown returns an attribute for a person: by its name, if it is known.
func shown(avp *radius.AVP) string {
	typ, vendor, value := int(avp.Type), uint32(0), []byte(avp.Attribute)
	if avp.Type == rfc2865.VendorSpecific_Type {
		if id, inner, err := radius.VendorSpecific(avp.Attribute); err == nil && len(inner) > 2 {
			typ, vendor, value = int(inner[0]), id, inner[2:]
		}
	}
	for _, k := range knownAttributes() {
		if k.vendor != vendor || k.OID[0] != typ {
			continue
		}
		if k.isNumber() {
			return fmt.Sprintf("%s=%d", k.Name, value)
		}
		return k.Name + "=" + strings.ToValidUTF8(string(value), "?")
	}
	return fmt.Sprintf("%d=%x", typ, value)
}
