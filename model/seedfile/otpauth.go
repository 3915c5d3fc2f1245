package seedfile

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Lists of URIs, one a line: otpauth://totp/Issuer:account?secret=...&issuer=...&algorithm=...&digits=...&period=... and
// the export payloads of Google Authenticator (migration.go). Empty lines and lines that start with # are skipped.
// A key URI has no serial: Key.User is the account. What a URI leaves out has the default of the key URI format: SHA-1, 6
// digits, 30 seconds.

func readURIs(src *source, f *File, _ Options) error {
	batches := batchSet{}
	for n := 1; ; n++ {
		text, err := src.line()
		if err == io.EOF {
			batches.report(f)
			return nil
		}
		if err != nil {
			return readFault(n, err)
		}
		line := strings.TrimSpace(string(text))
		if line == "" || line[0] == '#' {
			continue
		}
		scheme, _, _ := strings.Cut(line, ":")
		if strings.EqualFold(scheme, "otpauth-migration") {
			err = readMigration(f, n, line, batches)
		} else {
			err = readURI(f, n, line)
		}
		if err != nil {
			return err
		}
	}
}

func readURI(f *File, line int, text string) error {
	if err := f.row(); err != nil {
		return err
	}
	k, reason := keyOfURI(text)
	k.Line = line
	if reason != "" {
		f.Bad.add(line, "", reason)
		return nil
	}
	return f.key(k)
}

// keyOfURI reads one otpauth:// URI, or says why not.
func keyOfURI(text string) (k Key, reason string) {
	u, err := url.Parse(text)
	if err != nil || !strings.EqualFold(u.Scheme, "otpauth") {
		return k, "the line is not an otpauth:// URI"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return k, "the parameters of the URI cannot be read"
	}
	k.Digits, k.Hash = 6, SHA1
	switch strings.ToLower(u.Host) {
	case "hotp":
		k.Algorithm = HOTP
	case "totp":
		k.Algorithm, k.Period = TOTP, 30
	default:
		return k, fmt.Sprintf("type %s is not supported, only hotp or totp", shown(u.Host))
	}
	k.label(strings.TrimPrefix(u.Path, "/"))
	for parameter, values := range query {
		if len(values) > 1 {
			return k, fmt.Sprintf("parameter %s is given twice", name(parameter))
		}
	}
	if issuer := query.Get("issuer"); issuer != "" {
		k.Issuer = issuer
	}
	ok := true
	if s := query.Get("algorithm"); s != "" {
		if k.Hash, ok = hashName(s); !ok {
			return k, fmt.Sprintf("hash %s is not supported", shown(s))
		}
	}
	if s := query.Get("digits"); s != "" {
		if k.Digits, ok = digitCount(s); !ok {
			return k, fmt.Sprintf("digits %s are not supported, only 6 or 8", shown(s))
		}
	}
	if s := query.Get("period"); s != "" && k.Algorithm == TOTP {
		if k.Period, ok = positive(s); !ok {
			return k, fmt.Sprintf("period %s is not a number of seconds", shown(s))
		}
	}
	if s := query.Get("counter"); k.Algorithm == HOTP {
		if k.Counter, ok = counterValue(s); !ok {
			return k, fmt.Sprintf("counter %s is not a number", shown(s))
		}
	}
	for parameter := range query {
		switch parameter {
		case "secret", "issuer", "algorithm", "digits", "period", "counter":
		default:
			k.note("parameter %s was not used", name(parameter))
		}
	}
	if query.Get("secret") == "" {
		return k, "the seed is missing"
	}
	if k.Secret, ok = Base32.decode(query.Get("secret")); !ok {
		return k, "the seed is not valid BASE32"
	}
	return k, ""
}

// label takes "account" or "issuer:account".
func (k *Key) label(label string) {
	issuer, account, ok := strings.Cut(label, ":")
	if !ok {
		issuer, account = "", label
	}
	k.Issuer, k.User = strings.TrimSpace(issuer), strings.TrimSpace(account)
}
