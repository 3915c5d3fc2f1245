package seedfile

import (
	"crypto/sha512"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Google Authenticator exports keys as otpauth-migration://offline?data=.... The data is a protocol buffer in base64:
//
//	message Payload    { repeated Parameters 1; int32 version 2, batch_size 3, batch_index 4, batch_id 5 }
//	message Parameters { bytes secret 1; string name 2, issuer 3; enum algorithm 4, digits 5, type 6; int64 counter 7; string unique_id 8 }
//
// An unknown field, or an unknown parameter of the URI, refuses the payload, unless "field 9" or the name is to be ignored.
// Time-based keys have a period of 30 seconds, the only one in the app. An export of many keys has several payloads; a note says
// which are missing.

// migrationKey is one Parameters message.
type migrationKey struct {
	secret                  []byte
	name, issuer            string
	algorithm, digits, kind uint64
	counter                 uint64
}

// batchSet records which parts of each export were read.
type batchSet map[uint64]*batch

type batch struct {
	size  uint64
	parts map[uint64]bool
}

// maxBatch is the largest number of parts of an export.
const maxBatch = 1000

func (s batchSet) report(f *File) {
	for _, id := range slices.Sorted(maps.Keys(s)) {
		if b := s[id]; uint64(len(b.parts)) < b.size {
			f.note(fmt.Sprintf("an export has %d parts, but the file contains only %d of them", b.size, len(b.parts)))
		}
	}
}

// readMigration reads one payload. All its keys have the line number of the URI.
func readMigration(f *File, line int, text string, batches batchSet) error {
	keys, reason := migrationKeys(f, text, batches)
	if reason != "" {
		if err := f.row(); err != nil {
			return err
		}
		f.Bad.add(line, "", reason)
		return nil
	}
	for _, m := range keys {
		if err := f.row(); err != nil {
			return err
		}
		k, reason := m.key()
		k.Line = line
		if reason != "" {
			f.Bad.add(line, "", reason)
			continue
		}
		if err := f.key(k); err != nil {
			return err
		}
	}
	return nil
}

// migrationKeys decodes the payload of a URI.
func migrationKeys(f *File, text string, batches batchSet) (keys []migrationKey, reason string) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "the line is not an otpauth-migration:// URI"
	}
	data := ""
	for parameter := range strings.SplitSeq(u.RawQuery, "&") {
		called, value, _ := strings.Cut(parameter, "=")
		switch {
		case strings.EqualFold(called, "data") && data != "":
			return nil, "parameter data is given twice"
		case strings.EqualFold(called, "data"):
			// A plus sign is a base64 character here, so this must not be form decoding.
			if data, err = url.PathUnescape(value); err != nil {
				return nil, "the data of the export cannot be read"
			}
		case called != "":
			if reason := f.unknown("parameter", called, nil); reason != "" {
				return nil, reason
			}
		}
	}
	raw, ok := Base64.decode(data)
	if !ok {
		return nil, "the data of the export is not valid base64"
	}
	var size, index, id uint64
	strange := ""
	unknown := func(what string, field int) {
		if reason := f.unknown(what, fmt.Sprintf("field %d", field), nil); strange == "" {
			strange = reason
		}
	}
	whole := eachField(raw, func(field int, number uint64, bytes []byte) bool {
		switch field {
		case 1:
			m, ok := migrationParameters(bytes, unknown)
			if ok {
				keys = append(keys, m)
			}
			return ok
		case 2:
		case 3:
			size = number
		case 4:
			index = number
		case 5:
			id = number
		default:
			unknown("the export's", field)
		}
		return true
	})
	if !whole || size > maxBatch || index > maxBatch {
		return nil, "the data of the export is damaged"
	}
	if strange != "" {
		return nil, strange
	}
	if len(keys) == 0 {
		return nil, "the export has no keys"
	}
	if size > 1 {
		b := batches[id]
		if b == nil {
			b = &batch{size: size, parts: map[uint64]bool{}}
			batches[id] = b
		}
		b.parts[index] = true
	}
	return keys, ""
}

func migrationParameters(raw []byte, unknown func(what string, field int)) (m migrationKey, ok bool) {
	ok = eachField(raw, func(field int, number uint64, bytes []byte) bool {
		switch field {
		case 1:
			m.secret = bytes
		case 2:
			m.name = string(bytes)
		case 3:
			m.issuer = string(bytes)
		case 4:
			m.algorithm = number
		case 5:
			m.digits = number
		case 6:
			m.kind = number
		case 7:
			m.counter = number
		case 8: // an id that only the app uses
		default:
			unknown("an exported key's", field)
		}
		return true
	})
	return m, ok
}

// key converts the message to a key, or returns why it cannot.
func (m *migrationKey) key() (k Key, reason string) {
	k.labelled(m.name, m.issuer)
	switch m.kind {
	case 1:
		k.Algorithm, k.Counter = HOTP, int64(m.counter)
	case 2:
		k.Algorithm, k.Period = TOTP, 30
	default:
		return k, fmt.Sprintf("type %d of an exported key is not supported", m.kind)
	}
	switch m.algorithm {
	case 0:
		// The export does not name the algorithm. A seed as long as this may be for SHA-512, so the caller must name it.
		if len(m.secret) < sha512.Size {
			k.Hash = SHA1
		}
	case 1:
		k.Hash = SHA1
	case 2:
		k.Hash = SHA256
	case 3:
		k.Hash = SHA512
	case 4:
		return k, `hash "MD5" is not supported`
	default:
		return k, fmt.Sprintf("hash %d of an exported key is not supported", m.algorithm)
	}
	switch m.digits {
	case 0, 1:
		k.Digits = 6
	case 2:
		k.Digits = 8
	default:
		return k, fmt.Sprintf("digits %d of an exported key are not supported", m.digits)
	}
	if len(m.secret) == 0 {
		return k, "the seed is missing"
	}
	k.Secret = slices.Clone(m.secret)
	return k, ""
}

// eachField calls take for each field of a protocol buffer message: with a number for varints and fixed-size numbers, with bytes
// for the others. It returns whether the message is complete and take returned true for every field.
func eachField(raw []byte, take func(field int, number uint64, bytes []byte) bool) bool {
	for len(raw) > 0 {
		field, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return false
		}
		raw = raw[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(raw)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(raw)
		case protowire.Fixed32Type:
			var short uint32
			short, n = protowire.ConsumeFixed32(raw)
			number = uint64(short)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(raw)
		default:
			return false
		}
		if n < 0 || !take(int(field), number, bytes) {
			return false
		}
		raw = raw[n:]
	}
	return true
}
