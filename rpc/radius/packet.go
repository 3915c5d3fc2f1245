package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"slices"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
)

// Limits of a packet beyond those of RFC 2865. layeh.com/radius makes an object of each attribute, of which a packet of 4,096 bytes may
// hold 2,038; and a reply must have room for all Proxy-States.
const (
	headerBytes    = 20
	maxAttributes  = 200
	maxProxyStates = 1500 // bytes, of all Proxy-States of a request together
)

// request is a packet that is well-formed. Nothing in it is proven.
type request struct {
	raw  []byte // without padding
	code radius.Code
	ma   int // where the value of the Message-Authenticator begins; 0 if there is none
	*radius.Packet
}

// Why a packet is dropped. They are also labels of a metric.
const (
	dropLength        = "length"                    // longer or shorter than RFC 2865 allows
	dropAttributes    = "attributes"                // not well-formed, or too many
	dropCode          = "code"                      // no request that this server answers
	dropClient        = "unknown client"            // no client has this address or certificate
	dropDisabled      = "disabled client"           // the client is not active
	dropMissing       = "no Message-Authenticator"  // it must have one
	dropSecret        = "wrong secret"              // its Message-Authenticator, or that of an accounting request, is not valid
	dropOverload      = "overload"                  // there was no room in the queue
	dropUnavailable   = "database"                  // the database does not answer; the client will send it again
	dropDuplicates    = "duplicates"                // too many duplicates of one request
	dropProxyStates   = "proxy states"              // they would not fit into a reply
	dropNothingProven = "no secret proves anything" // no secret of the client can be used
)

// read returns the request in a datagram, or why it is dropped.
func read(b []byte) (*request, string) {
	if len(b) < headerBytes || len(b) > radius.MaxPacketLength {
		return nil, dropLength
	}
	length := int(binary.BigEndian.Uint16(b[2:4]))
	if length < headerBytes || length > len(b) {
		return nil, dropLength
	}
	r := &request{raw: b[:length], code: radius.Code(b[0])}
	count, proxied := 0, 0
	for at := headerBytes; at < length; {
		if length-at < 2 || int(b[at+1]) < 2 || at+int(b[at+1]) > length {
			return nil, dropAttributes
		}
		size := int(b[at+1])
		switch radius.Type(b[at]) {
		case rfc2869.MessageAuthenticator_Type:
			if r.ma != 0 || size != 2+md5.Size {
				return nil, dropAttributes
			}
			r.ma = at + 2
		case rfc2865.ProxyState_Type:
			proxied += size
		}
		if count++; count > maxAttributes {
			return nil, dropAttributes
		}
		at += size
	}
	if proxied > maxProxyStates {
		return nil, dropProxyStates
	}
	p, err := radius.Parse(r.raw, nil)
	if err != nil {
		return nil, dropAttributes
	}
	r.Packet = p
	return r, ""
}

// proves returns whether the Message-Authenticator was made with a secret (RFC 2869, section 5.14).
func (r *request) proves(secret []byte) bool {
	mac := hmac.New(md5.New, secret)
	mac.Write(r.raw[:r.ma])
	mac.Write(make([]byte, md5.Size))
	mac.Write(r.raw[r.ma+md5.Size:])
	return hmac.Equal(mac.Sum(nil), r.raw[r.ma:r.ma+md5.Size])
}

// accounts returns whether the authenticator of an Accounting-Request was made with a secret (RFC 2866, section 3).
func (r *request) accounts(secret []byte) bool {
	sum := md5.New()
	sum.Write(r.raw[:4])
	sum.Write(make([]byte, md5.Size))
	sum.Write(r.raw[headerBytes:])
	sum.Write(secret)
	return hmac.Equal(sum.Sum(nil), r.raw[4:headerBytes])
}

// answer returns the reply to a request: a Message-Authenticator as its first attribute (but to accounting), then others, then the Proxy-States of the
// request in their order (RFC 2865, section 5.33).
func (r *request) answer(secret []byte, code radius.Code, attributes radius.Attributes) ([]byte, error) {
	p := r.Response(code)
	p.Secret = secret
	ma := make(radius.Attribute, md5.Size)
	if code != radius.CodeAccountingResponse { // implementations differ in how to make that of one
		p.Add(rfc2869.MessageAuthenticator_Type, ma)
	}
	p.Attributes = append(p.Attributes, attributes...)
	for _, a := range r.Attributes {
		if a.Type == rfc2865.ProxyState_Type {
			p.Attributes = append(p.Attributes, a)
		}
	}
	unsigned, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	mac := hmac.New(md5.New, secret)
	mac.Write(unsigned)
	mac.Sum(ma[:0])
	return p.Encode()
}

// vendor attributes of RFC 2548 by which passwords come that this server does not take.
const (
	microsoft       = 311
	msChapResponse  = 1
	msChapChallenge = 11
	msChap2Response = 25
)

// notTaken returns the name of a way to prove a password that this server does not take; "" if the request has none.
func (r *request) notTaken() string {
	for _, a := range r.Attributes {
		switch a.Type {
		case rfc2865.CHAPPassword_Type:
			return "CHAP"
		case rfc2869.EAPMessage_Type:
			return "EAP"
		case rfc2865.VendorSpecific_Type:
			vendor, value, err := radius.VendorSpecific(a.Attribute)
			if err == nil && vendor == microsoft && slices.Contains([]byte{msChapResponse, msChapChallenge, msChap2Response}, value[0]) {
				return "MS-CHAP"
			}
		}
	}
	return ""
}

// text returns an attribute as a text that the log and names can hold; "" if there is none.
func (r *request) text(t radius.Type) string { return string(r.Get(t)) }
