package seedfile_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"google.golang.org/protobuf/encoding/protowire"

	"tokensmith/model/seedfile"
)

// TestVendorCodes: the codes in a vendor's header are stored like those of a product: composed, with normal spaces.
func TestVendorCodes(t *testing.T) {
	t.Parallel()
	file := func(code string) []byte {
		return []byte("<data><header><manufacturerCode> " + code + "</manufacturerCode>\n<productCode>" + code + "</productCode></header><tokens>" + goodToken + "</tokens></data>")
	}
	if f, keys, err := read(file("Gera\u0308t\u00a01"), seedfile.Options{}); err != nil || len(keys) != 1 || f.ManufacturerCode != "Ger\u00e4t 1" || f.ProductCode != "Ger\u00e4t 1" {
		t.Errorf("%v %d %+q %+q", err, len(keys), f.ManufacturerCode, f.ProductCode)
	}
	if _, _, err := read(file("DN\u200b"), seedfile.Options{}); err == nil || err.Error() != "line 1: manufacturerCode must not contain invisible characters such as U+200B" {
		t.Error(err)
	}
}

// TestOwnCharset reads files whose bytes show their charset, as the command line reads them, and with their bytes sent as
// characters.
func TestOwnCharset(t *testing.T) {
	t.Parallel()
	const seed = "3132333435363738393031323334353637383930"
	le := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder()
	be := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()
	csv := "serial,seed,description\r\n1001," + seed + ",B\u00fcro\r\n"
	xml := func(charset string) string {
		return `<?xml version="1.0" encoding="` + charset + `"?>` + "\n" + vendor("", strings.Replace(goodToken, "</token>", "<description>B\u00fcro</description></token>", 1))
	}
	encoded := func(text string, encode func(string) (string, error)) string {
		out, err := encode(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	latin := charmap.ISO8859_1.NewEncoder().String
	for name, file := range map[string]string{
		"utf-16le without a mark": encoded(csv, le.String), "utf-16be with one": encoded(csv, be.String),
		"latin-1 as declared": encoded(xml("ISO-8859-1"), latin), "windows-1252 as declared": encoded(xml("windows-1252"), charmap.Windows1252.NewEncoder().String),
		"two byte order marks": "\ufeff\ufeff" + csv, "utf-8 against what is declared": xml("ISO-8859-1"), "utf-8": xml("utf-8"), "carriage returns": strings.ReplaceAll(csv, "\r\n", "\r"),
	} {
		for _, charset := range []string{"", "auto", "AUTO"} {
			r, err := seedfile.NewReader(strings.NewReader(file), charset)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if f, keys, err := read(text, seedfile.Options{}); len(keys) != 1 || keys[0].Description != "B\u00fcro" {
				t.Errorf("%s, charset %q: %v %s", name, charset, keys, refusal(f, err))
			}
		}
		var characters strings.Builder
		for _, b := range []byte(file) {
			characters.WriteRune(rune(b))
		}
		text, err := seedfile.Decode(characters.String(), "auto")
		if f, keys, err2 := read([]byte(text), seedfile.Options{}); err != nil || len(keys) != 1 || keys[0].Description != "B\u00fcro" {
			t.Errorf("%s, sent: %v %v %s", name, err, keys, refusal(f, err2))
		}
	}
	for _, file := range []string{encoded(csv, be.String), "\xff\xfe" + encoded(csv, le.String), encoded(csv, le.String)} {
		cut := file[:len(file)-1]
		r, err := seedfile.NewReader(strings.NewReader(cut), "")
		if err != nil {
			t.Fatal(err)
		}
		if f, _, err := readFrom(r); !strings.Contains(refusal(f, err), "ends in the middle of a character") {
			t.Errorf("a file cut off: %s", refusal(f, err))
		}
		if cut[0] > 0x7f {
			if f, _, err := readFrom(bytes.NewReader([]byte(cut))); !strings.Contains(refusal(f, err), "ends in the middle of a character") {
				t.Errorf("a file cut off, read at once: %s", refusal(f, err))
			}
		}
	}
}

func readFrom(r io.Reader) (*seedfile.File, int, error) {
	f, err := seedfile.Read(r, seedfile.Options{}, func(*seedfile.File, seedfile.Key) error { return nil })
	return f, f.Keys, err
}

// TestAsPeopleKeepThem reads lists of keys in the forms in which people keep them, and checks the reason for those that cannot be
// read.
func TestAsPeopleKeepThem(t *testing.T) {
	t.Parallel()
	const seed, b32 = "3132333435363738393031323334353637383930", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, file := range []string{
		"\"serial\"\t\"seed\"\t\"type\"\n\"1001\"\t\"" + seed + "\"\t\"totp\"\n", "1001\t" + seed + "\ttotp\n", "sep=|\nserial|seed|type\n1001|" + seed + "|totp\n",
		"sep=|\n1001|" + seed + "|totp\n", "1001," + seed + ",totp\r1002," + seed + ",totp\r",
		`"otpauth://totp/a?secret=` + b32 + `"`, "'otpauth://totp/a?secret=" + b32 + "'", "OTPAUTH://TOTP/a?SECRET=" + b32,
		"otpauth://totp/Wh?at:ada?secret=" + b32 + "&digits=8", "otpauth://totp/a?digits=8&secret=" + b32 + "&issuer=What?", "otpauth://totp/a?secret=" + b32 + "&codeDisplay=x&encoder=",
		strings.Replace(migrationURI(nil, nil, ""), "otpauth-migration://offline?data=", "OTPAUTH-MIGRATION://OFFLINE?DATA=", 1), `"` + migrationURI(nil, nil, "") + `"`,
	} {
		if f, keys, err := read([]byte(file), seedfile.Options{}); len(keys) == 0 || refusal(f, err) != "" {
			t.Errorf("%q: %s", file, refusal(f, err))
		}
	}
	f, keys, err := read([]byte("otpauth://totp/Wh?at:ada?secret="+b32+"&digits=8"), seedfile.Options{})
	if len(keys) != 1 || keys[0].User != "ada" || keys[0].Issuer != "Wh?at" || keys[0].Digits != 8 {
		t.Errorf("%v %s", keys, refusal(f, err))
	}
	for file, want := range map[string]string{
		`{"version": 1, "header": {"slots": null}, "db": "x"}`: "the file is JSON", "[\n  {\"secret\": \"x\"}]": "the file is JSON",
		"totp,1001," + seed:                                 "the first column is the type",
		"1001,ada,totp," + seed:                             "column 4 looks like a seed",
		"1001,6,30,totp," + b32:                             "column 5 looks like a seed",
		"otpauth://totp/a?secret=" + b32 + "&encoder=steam": "parameter encoder is unknown",
	} {
		if f, keys, err := read([]byte(file), seedfile.Options{}); len(keys) > 0 || !strings.Contains(refusal(f, err), want) {
			t.Errorf("%q: %d keys, %s", file, len(keys), refusal(f, err))
		}
	}
	if _, keys, err := read([]byte("1001,"+seed+",30\n"), seedfile.Options{}); err != nil || len(keys) != 1 || len(keys[0].Notes) != 1 || keys[0].Counter != 30 {
		t.Errorf("a third column of digits: %v %v", keys, err)
	}
}

// TestMigrationHash: if an export does not name the hash function, and the seed has the length for SHA-512, it is left open, for
// the caller to name.
func TestMigrationHash(t *testing.T) {
	t.Parallel()
	export := func(bytes int) string {
		k := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte(strings.Repeat("x", bytes)))
		k = protowire.AppendString(protowire.AppendTag(k, 2, protowire.BytesType), "ada")
		k = protowire.AppendVarint(protowire.AppendTag(k, 6, protowire.VarintType), 2)
		p := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), k)
		return "otpauth-migration://offline?data=" + url.QueryEscape(base64.StdEncoding.EncodeToString(p))
	}
	for bytes, want := range map[int]string{20: seedfile.SHA1, 32: seedfile.SHA1, 64: ""} {
		if f, keys, err := read([]byte(export(bytes)), seedfile.Options{}); len(keys) != 1 || keys[0].Hash != want {
			t.Errorf("%d bytes: %v %s", bytes, keys, refusal(f, err))
		}
	}
}
