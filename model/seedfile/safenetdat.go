package seedfile

import (
	"fmt"
	"io"
	"strings"
)

// The .dat file of SafeNet and Aladdin has records with lines "name: value". Records are separated by empty lines or begin with
// "dn:". sccTokenData contains sccKey (hex), sccMode (E event-based, T time-based), sccPwLen (digits), sccTick (period in
// seconds), sccMovingFactor (counter), crypto (hash) and sccPrTime (when the device was made). sccSignature is not verified.
//
// A time-based device with an sccPrTime in such a file counts its time steps from 2000-01-01 UTC, and not from 1970 as in RFC
// 6238. Its key gets a Drift that corrects for this, and a note.

// safeNetEpoch is 2000-01-01 in seconds since 1970.
const safeNetEpoch = 946_684_800

type datRecord struct {
	line                           int
	serial, dn, model              string
	key, mode, digits, tick, count string
	hash, made                     string
	reason                         string
}

func readSafeNetDAT(src *source, f *File, _ Options) error {
	var r datRecord
	flush := func() error {
		done := r
		r = datRecord{}
		if done.line == 0 {
			return nil
		}
		if err := f.row(); err != nil {
			return err
		}
		k, reason := done.read()
		if reason != "" {
			f.Bad.add(done.line, k.Serial, reason)
			return nil
		}
		return f.key(k)
	}
	f.note("the records' signatures were not verified")
	for n := 1; ; n++ {
		text, err := src.line()
		if err == io.EOF {
			return flush()
		}
		if err != nil {
			return readFault(n, err)
		}
		line := strings.TrimSpace(string(text))
		if line == "" {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		if line[0] == '#' {
			continue
		}
		attribute, value, ok := strings.Cut(line, ":")
		if !ok {
			return unreadable(n, "the line does not have the form name: value")
		}
		attribute, value = strings.ToLower(strings.TrimSpace(attribute)), strings.TrimSpace(value)
		if attribute == "dn" {
			if err := flush(); err != nil {
				return err
			}
		}
		if r.line == 0 {
			r.line = n
		}
		r.set(f, attribute, value)
	}
}

// set stores one line of a record.
func (r *datRecord) set(f *File, attribute, value string) {
	switch attribute {
	case "dn":
		_, r.dn, _ = strings.Cut(value, "=")
	case "sccauthenticatorid":
		r.serial = value
	case "scctokentype":
		r.model = value
	case "objectclass", "sccsignature":
	case "scctokendata":
		for part := range strings.SplitSeq(value, ";") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			key, value, _ := strings.Cut(part, "=")
			r.setData(f, strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value))
		}
	default:
		r.unknown(f, "attribute", attribute)
	}
}

// unknown refuses the record because of something unknown in it.
func (r *datRecord) unknown(f *File, what, called string) {
	if reason := f.unknown(what, called, nil); reason != "" && r.reason == "" {
		r.reason = reason
	}
}

func (r *datRecord) setData(f *File, key, value string) {
	field := map[string]*string{
		"scckey": &r.key, "sccmode": &r.mode, "sccpwlen": &r.digits, "scctick": &r.tick,
		"sccmovingfactor": &r.count, "crypto": &r.hash, "sccprtime": &r.made,
	}[key]
	switch {
	case field != nil && *field != "" && *field != value:
		r.reason = fmt.Sprintf("%s is given twice", key)
	case field != nil:
		*field = value
	case key != "sccver":
		r.unknown(f, "token data", key)
	}
}

// read converts the record to a key, or returns why it cannot.
func (r *datRecord) read() (k Key, reason string) {
	k.Line, k.Serial, k.Model = r.line, r.serial, r.model
	if k.Serial == "" {
		k.Serial = strings.TrimSpace(r.dn)
	}
	ok := true
	switch strings.ToUpper(r.mode) {
	case "E":
		k.Algorithm = HOTP
	case "T":
		k.Algorithm = TOTP
	default:
		return k, fmt.Sprintf("mode %s is not supported, only E and T", shown(r.mode))
	}
	if r.reason != "" {
		return k, r.reason
	}
	if r.digits != "" {
		if k.Digits, ok = digitCount(r.digits); !ok {
			return k, fmt.Sprintf("digits %s are not supported, only 6 or 8", shown(r.digits))
		}
	}
	if r.hash != "" {
		if k.Hash, ok = hashName(r.hash); !ok {
			return k, fmt.Sprintf("hash %s is not supported", shown(r.hash))
		}
	}
	if r.count != "" && k.Algorithm == HOTP {
		if k.Counter, ok = counterValue(r.count); !ok {
			return k, fmt.Sprintf("moving factor %s is not a number", shown(r.count))
		}
	}
	if k.Algorithm == TOTP {
		if reason := r.clock(&k); reason != "" {
			return k, reason
		}
	}
	if r.key == "" {
		return k, "the seed is missing"
	}
	if k.Secret, ok = Hex.decode(r.key); !ok {
		return k, Hex.mismatch(r.key)
	}
	return k, ""
}

// clock sets the period and the drift of a time-based key.
func (r *datRecord) clock(k *Key) (reason string) {
	var ok bool
	if r.tick == "" {
		return "sccTick is missing, the seconds of a time step"
	}
	if k.Period, ok = positive(r.tick); !ok {
		return fmt.Sprintf("period %s is not a number of seconds", shown(r.tick))
	}
	if r.made == "" {
		return ""
	}
	if safeNetEpoch%k.Period != 0 {
		return fmt.Sprintf("a period of %d seconds does not divide the time since 2000-01-01", k.Period)
	}
	k.Drift = -safeNetEpoch / k.Period
	k.note("the device counts from 2000-01-01; its drift was set to %d steps", k.Drift)
	return ""
}
