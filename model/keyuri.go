package model

import (
	"encoding/base32"
	"net/url"
	"strconv"
	"strings"

	"tokensmith/model/otp"
)

// Base32 returns a seed in the form that authenticator apps show: base32 (RFC 4648) without padding.
func Base32(seed Secret) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}

// KeyURI returns the otpauth:// URI (Key URI Format) with which an authenticator app imports a token. The app shows account to
// the user. counter is the next counter of an event-based token.
func KeyURI(p *Product, account string, seed Secret, counter int64) string {
	q := "secret=" + Base32(seed) + "&issuer=" + escape(p.Name) +
		"&algorithm=" + strings.TrimPrefix(p.Crypto, "Hmac") + "&digits=" + strconv.FormatInt(p.Digits, 10)
	kind := "totp"
	if p.Algorithm == string(otp.HOTP) {
		kind = "hotp"
		q += "&counter=" + strconv.FormatInt(counter, 10)
	} else {
		q += "&period=" + strconv.FormatInt(p.Period, 10)
	}
	return "otpauth://" + kind + "/" + escape(p.Name) + ":" + escape(account) + "?" + q
}

// escape writes a space as %20, because apps do not decode a plus sign.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
