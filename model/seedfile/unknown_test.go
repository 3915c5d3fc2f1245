package seedfile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// refusal returns all reasons why a file was refused, in one text.
func refusal(f *seedfile.File, err error) string {
	var b strings.Builder
	for _, r := range f.Bad.Rows {
		fmt.Fprintf(&b, "%d %q %s\n", r.Line, r.Serial, r.Reason)
	}
	if err != nil {
		b.WriteString(err.Error())
	}
	return b.String()
}

// migrationURI returns an export of one key, with further fields after those of the payload and of the key.
func migrationURI(payload, key []byte, parameters string) string {
	k := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("12345678901234567890"))
	k = protowire.AppendString(protowire.AppendTag(k, 2, protowire.BytesType), "ada")
	k = protowire.AppendVarint(protowire.AppendTag(k, 6, protowire.VarintType), 2)
	p := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), append(k, key...))
	p = protowire.AppendVarint(protowire.AppendTag(p, 2, protowire.VarintType), 1)
	return "otpauth-migration://offline?data=" + url.QueryEscape(base64.StdEncoding.EncodeToString(append(p, payload...))) + parameters
}

// TestUnknownAnywhere puts something unknown in every place of a file that could have an influence on the OTPs. It refuses the
// file and is named in the error. If it is to be ignored, the file is read with a note. Without it, and with what belongs to XML
// itself, the file is read.
func TestUnknownAnywhere(t *testing.T) {
	t.Parallel()
	const seed = "3132333435363738393031323334353637383930"
	key := func(attributes, parameters, data, rest string) string {
		return `<KeyPackage><DeviceInfo><SerialNo>77</SerialNo></DeviceInfo><Key Id="77" Algorithm="` + pskcNS + `:totp"` + attributes + `><AlgorithmParameters>` +
			parameters + `</AlgorithmParameters><Data>` + data + `</Data>` + rest + `</Key></KeyPackage>`
	}
	field := protowire.AppendVarint(protowire.AppendTag(nil, 9, protowire.VarintType), 60)
	for _, c := range []struct{ name, file, unknown string }{
		{"pskc key", pskc("", key("", sixDigits, plainSecret, "<TimeInterval>60</TimeInterval>"), "1.0"), "TimeInterval"},
		{"pskc suite", pskc("", key("", sixDigits, plainSecret, "<Suite>HMAC-SHA256</Suite>"), "1.0"), "Suite"},
		{"pskc device", pskc("", strings.Replace(key("", sixDigits, plainSecret, ""), "<SerialNo>", "<Digits>8</Digits><SerialNo>", 1), "1.0"), "Digits"},
		{"pskc package", pskc("", strings.Replace(key("", sixDigits, plainSecret, ""), "<DeviceInfo>", "<Extensions><x/></Extensions><DeviceInfo>", 1), "1.0"), "Extensions"},
		{"pskc module", pskc("", strings.Replace(key("", sixDigits, plainSecret, ""), "<Key ", "<CryptoModuleInfo><Id>1</Id><Mode/></CryptoModuleInfo><Key ", 1), "1.0"), "Mode"},
		{"pskc container", pskc(`<ResponseFormat Length="8"/>`, key("", sixDigits, plainSecret, ""), "1.0"), "ResponseFormat"},
		{"pskc response", pskc("", key("", `<ResponseFormat Encoding="DECIMAL" length="8"/>`, plainSecret, ""), "1.0"), "length"},
		{"pskc attribute", pskc("", key(` Digits="8"`, sixDigits, plainSecret, ""), "1.0"), "Digits"},
		{"pskc leaf", pskc("", key("", sixDigits, plainSecret, "<Issuer>a<b/></Issuer>"), "1.0"), "b"},
		{"pskc data", pskc("", key("", sixDigits, strings.Replace(plainSecret, "<Secret>", `<Secret encode="hex">`, 1), ""), "1.0"), "encode"},
		{"pskc elsewhere", pskc("", key("", sixDigits, plainSecret, `<x:Period xmlns:x="urn:x">60</x:Period>`), "1.0"), "Period"},
		{"vendor header", strings.Replace(vendor("", goodToken), "<header>", `<header digits="8">`, 1), "digits"},
		{"vendor root", strings.Replace(vendor("", goodToken), "<data>", `<data digits="8">`, 1), "digits"},
		{"vendor token", vendor("", strings.Replace(goodToken, "<token>", `<token crypto="SHA256">`, 1)), "crypto"},
		{"vendor seed", vendor("", strings.Replace(goodToken, "<seed>", `<seed coding="x">`, 1)), "coding"},
		{"safenet application", `<Tokens><Token serial="1"><Applications><Application Digits="8"><Seed>` + seed + `</Seed></Application></Applications></Token></Tokens>`, "Digits"},
		{"safenet token", `<Tokens><Token serial="1" period="60"><Seed>` + seed + `</Seed></Token></Tokens>`, "period"},
		{"safenet seed", `<Tokens><Token serial="1"><Seed encoding="b">` + seed + `</Seed></Token></Tokens>`, "encoding"},
		{"migration payload", migrationURI(field, nil, ""), "field 9"},
		{"migration key", migrationURI(nil, field, ""), "field 9"},
		{"migration parameter", migrationURI(nil, nil, "&foo=1"), "foo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, keys, err := read([]byte(c.file), seedfile.Options{})
			if said := refusal(f, err); len(keys) > 0 || !strings.Contains(said, c.unknown) || !strings.Contains(said, "is unknown, and the OTPs may depend on it") {
				t.Errorf("%d keys, refused: %s", len(keys), said)
			}
			f, keys, err = read([]byte(c.file), seedfile.Options{Ignore: []string{c.unknown}})
			if said := refusal(f, err); len(keys) != 1 || said != "" {
				t.Fatalf("ignored: %d keys, refused: %s", len(keys), said)
			}
			if notes := strings.Join(append(f.Notes, keys[0].Notes...), "\n"); !strings.Contains(notes, c.unknown) {
				t.Errorf("no note of it: %s", notes)
			}
		})
	}
	for _, file := range []string{
		pskc("", key(` xml:id="k"`, sixDigits, plainSecret, `<FriendlyName xml:lang="en">x</FriendlyName>`), "1.0"),
		strings.Replace(vendor("", goodToken), "<data>", `<data version="1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="t.xsd">`, 1),
		`<Tokens><Token serial="1"><Applications><Application ConnectorID="{ab}"><Seed>` + seed + `</Seed></Application></Applications></Token></Tokens>`,
		migrationURI(nil, protowire.AppendString(protowire.AppendTag(nil, 8, protowire.BytesType), "id"), ""),
	} {
		if f, keys, err := read([]byte(file), seedfile.Options{}); len(keys) != 1 || err != nil {
			t.Errorf("refused: %s\n%s", refusal(f, err), file)
		}
	}
}

// TestPSKCTyped encrypts numbers as people type them, which would be other numbers if their bytes were used. Digits alone are
// read. With other characters it is unclear what is meant, and they are refused. Bytes that are not text are numbers.
func TestPSKCTyped(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{7}, 16), macKey: []byte("a key for the MAC"), hash: sha256.New}
	seed := []byte("12345678901234567890")
	for value, want := range map[string]int64{"7": 7, "298507": 298507, "12345": 12345, "\x07": 7, "\x00\x00\x00\x37": 0x37, "\x01\x00": 256, "\x0a": 10, "AB": 0x4142} {
		file := pskc(s.head(hmacSHA256), pskcKey(pskcNS+":hotp", sixDigits, s.value("Secret", seed)+s.value("Counter", []byte(value)), ""), "1.0")
		f, keys, err := read([]byte(file), seedfile.Options{PreSharedKey: s.key})
		if len(keys) != 1 || keys[0].Counter != want {
			t.Errorf("counter %q is not %d: %v %s", value, want, keys, refusal(f, err))
		}
	}
	for _, value := range []string{"7\n", " 7", "7 ", "-7", "+7", "7\x00", "7\r\n", "\t7", "7.0", "0x7", "1,000", "1 000", "1234", "12345678", " 123456789 "} {
		for _, element := range []string{"Counter", "TimeDrift", "TimeInterval"} {
			algorithm := ":totp"
			if element == "Counter" {
				algorithm = ":hotp"
			}
			file := pskc(s.head(hmacSHA256), pskcKey(pskcNS+algorithm, sixDigits, s.value("Secret", seed)+s.value(element, []byte(value)), ""), "1.0")
			f, keys, err := read([]byte(file), seedfile.Options{PreSharedKey: s.key})
			if said := refusal(f, err); len(keys) > 0 || !strings.Contains(said, "bytes or in digits") {
				t.Errorf("%s %q: %v %s", element, value, keys, said)
			}
		}
	}
}

// TestPSKCWrittenSecret encrypts the characters of a seed instead of its bytes. This is refused, or read if the caller names the
// encoding.
func TestPSKCWrittenSecret(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{7}, 16), macKey: []byte("a key for the MAC"), hash: sha256.New}
	seed := unhex("3132333435363738393031323334353637389f3a")
	for encoding, text := range map[seedfile.Encoding]string{seedfile.Hex: "3132333435363738393031323334353637389f3a", seedfile.Base32: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TRHZ2"} {
		file := []byte(pskc(s.head(hmacSHA256), pskcKey(pskcNS+":hotp", sixDigits, s.value("Secret", []byte(text)), ""), "1.0"))
		f, keys, err := read(file, seedfile.Options{PreSharedKey: s.key})
		if said := refusal(f, err); len(keys) > 0 || !strings.Contains(said, "give encode "+string(encoding)) || strings.Contains(said, text) {
			t.Errorf("%s: %d keys, %s", encoding, len(keys), said)
		}
		for as, want := range map[seedfile.Encoding]model.Secret{encoding: seed, seedfile.Base64: model.Secret(text)} {
			f, keys, err := read(file, seedfile.Options{PreSharedKey: s.key, Encoding: as})
			if len(keys) != 1 || !bytes.Equal(keys[0].Secret, want) {
				t.Errorf("%s as %s: %d keys, %s", encoding, as, len(keys), refusal(f, err))
			}
		}
	}
}
