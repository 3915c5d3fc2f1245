package radius

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"layeh.com/radius"
	"layeh.com/radius/dictionary"
	"layeh.com/radius/rfc2865"

	"tokensmith/model"
)

//go:embed dictionary.reply
var replyDictionary string

// known is an attribute that a reply may carry.
type known struct {
	*dictionary.Attribute
	vendor uint32 // 0 for none
	values map[string]uint32
}

// dictionaryFile adapts a text to the parser.
type dictionaryFile struct{ *strings.Reader }

func (dictionaryFile) Close() error { return nil }

func (dictionaryFile) Name() string { return "dictionary.reply" }

// knownAttributes returns the attributes that a reply may carry, by their names in lower case.
var knownAttributes = sync.OnceValue(func() map[string]*known {
	d, err := new(dictionary.Parser).Parse(dictionaryFile{strings.NewReader(replyDictionary)})
	if err != nil {
		panic(err)
	}
	all := map[string]*known{}
	add := func(vendor int, attributes []*dictionary.Attribute, values []*dictionary.Value) {
		for _, a := range attributes {
			k := &known{Attribute: a, vendor: uint32(vendor), values: map[string]uint32{}}
			for _, v := range values {
				if v.Attribute == a.Name {
					k.values[strings.ToLower(v.Name)] = uint32(v.Number)
				}
			}
			all[strings.ToLower(a.Name)] = k
		}
	}
	add(0, d.Attributes, d.Values)
	for _, v := range d.Vendors {
		add(v.Number, v.Attributes, v.Values)
	}
	return all
})

// replyAttribute is a line of a client's attributes: "Filter-Id = staff", or "sales/Filter-Id = sales" for the users of a group.
type replyAttribute struct {
	group string // folded; "" for everybody
	known *known
	value string
}

// The limits of a client's attributes. With them, the bounded Proxy-States of a request (maxProxyStates) and a prompt, every reply fits
// into radius.MaxPacketLength.
const (
	maxReplyAttributes = 32
	maxReplyBytes      = 1500
	maxValue           = 253 // RFC 2865, section 5
	maxVendorValue     = 247
)

// loginParameter is replaced by the user's stored login name.
const loginParameter = "{login}"

// parseAttributes reads the lines of a client's attributes. Its error is a reason for the client of the API.
func parseAttributes(text string) (all []replyAttribute, reason string) {
	size := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Sprintf("the line %q is not NAME=VALUE or GROUP/NAME=VALUE", line)
		}
		a := replyAttribute{value: strings.TrimSpace(value)}
		if at := strings.LastIndexByte(name, '/'); at >= 0 {
			if a.group = model.Fold(model.Trim(name[:at])); a.group == "" {
				return nil, fmt.Sprintf("the line %q names no group", line)
			}
			name = name[at+1:]
		}
		name = strings.TrimSpace(name)
		if a.known = knownAttributes()[strings.ToLower(name)]; a.known == nil {
			return nil, fmt.Sprintf("%q is not an attribute that a reply may carry", name)
		}
		worst := strings.ReplaceAll(a.value, loginParameter, strings.Repeat("x", 255))
		encoded, err := a.encode(worst)
		if err != nil && (!strings.Contains(a.value, loginParameter) || a.known.isNumber()) {
			return nil, fmt.Sprintf("%s: %v", a.known.Name, err)
		}
		if err != nil {
			size += 2 + maxValue // it is cut to this
		} else {
			size += 2 + len(encoded.Attribute)
		}
		all = append(all, a)
	}
	switch {
	case len(all) > maxReplyAttributes:
		return nil, fmt.Sprintf("there are more than %d lines", maxReplyAttributes)
	case size > maxReplyBytes:
		return nil, fmt.Sprintf("together they may be longer than %d bytes", maxReplyBytes)
	}
	return all, ""
}

func (k *known) isNumber() bool {
	return k.Type == dictionary.AttributeInteger || k.Type == dictionary.AttributeIPAddr
}

// encode returns the attribute with a value as it is sent.
func (a *replyAttribute) encode(value string) (*radius.AVP, error) {
	var wire radius.Attribute
	switch a.known.Type {
	case dictionary.AttributeString:
		wire = radius.Attribute(value)
	case dictionary.AttributeOctets:
		wire = radius.Attribute(value)
		if digits, ok := strings.CutPrefix(value, "0x"); ok {
			b, err := hex.DecodeString(digits)
			if err != nil {
				return nil, fmt.Errorf("0x must be followed by an even number of hex digits")
			}
			wire = b
		}
	case dictionary.AttributeInteger:
		n, ok := a.known.values[strings.ToLower(value)]
		if !ok {
			parsed, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("must be a number from 0 to 4294967295, or the name of a value")
			}
			n = uint32(parsed)
		}
		wire = radius.NewInteger(n)
	case dictionary.AttributeIPAddr:
		var err error
		if wire, err = radius.NewIPAddr(net.ParseIP(value)); err != nil {
			return nil, fmt.Errorf("must be an IPv4 address")
		}
	default:
		return nil, fmt.Errorf("cannot be sent by this server")
	}
	if len(wire) == 0 {
		return nil, fmt.Errorf("needs a value")
	}
	if a.known.vendor == 0 {
		if len(wire) > maxValue {
			return nil, fmt.Errorf("is longer than %d bytes", maxValue)
		}
		return &radius.AVP{Type: radius.Type(a.known.OID[0]), Attribute: wire}, nil
	}
	if len(wire) > maxVendorValue {
		return nil, fmt.Errorf("is longer than %d bytes", maxVendorValue)
	}
	vsa, err := radius.NewVendorSpecific(a.known.vendor, append(radius.Attribute{byte(a.known.OID[0]), byte(2 + len(wire))}, wire...))
	if err != nil {
		return nil, err
	}
	return &radius.AVP{Type: rfc2865.VendorSpecific_Type, Attribute: vsa}, nil
}

// attributesFor returns what an Access-Accept carries for a user with a login name who is in groups.
func attributesFor(all []replyAttribute, login string, groups []string) (reply radius.Attributes) {
	for i := range groups {
		groups[i] = model.Fold(groups[i])
	}
	for _, a := range all {
		if a.group != "" && !slices.Contains(groups, a.group) {
			continue
		}
		value := strings.ReplaceAll(a.value, loginParameter, login)
		most := maxValue
		if a.known.vendor != 0 {
			most = maxVendorValue
		}
		if len(value) > most {
			value = strings.ToValidUTF8(value[:most], "")
		}
		if avp, err := a.encode(value); err == nil {
			reply = append(reply, avp)
		}
	}
	return reply
}
