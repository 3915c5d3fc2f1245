package seedfile_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

// fuzzFormat fuzzes one reader, or all with detection of the format, starting from the vectors. For any file there is no panic;
// every key has a secret and is within its limits; every error has a kind that a caller expects; and no message contains a seed
// of the file.
func fuzzFormat(f *testing.F, format seedfile.Format) {
	for _, path := range vectorFiles(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if format == seedfile.Auto || seedfile.Detect(data) == format {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := seedfile.Options{
			Format: format, MaxRows: 1000, Password: model.Secret("qwerty"),
			PreSharedKey: vectorOptions["rfc6030-figure6.xml"].PreSharedKey,
		}
		if strings.Count(string(data), "IterationCount") > 0 && !strings.Contains(string(data), "<IterationCount>1000</IterationCount>") {
			return // the key derivation would need all the time
		}
		file, keys, err := read(data, opts)
		messages := slices.Clone(file.Notes)
		if err != nil {
			var e *model.Error
			if !errors.As(err, &e) || e.Kind != model.FileUnreadable && e.Kind != model.FileKey && e.Kind != model.TooLarge {
				t.Fatalf("error %#v", err)
			}
			messages = append(messages, err.Error())
		}
		for _, b := range file.Bad.Rows {
			messages = append(messages, b.Reason, b.Serial)
		}
		if file.Keys != len(keys) {
			t.Fatalf("%d keys counted, %d handed over", file.Keys, len(keys))
		}
		for _, k := range keys {
			switch {
			case len(k.Secret) == 0 || len(k.Secret) > 512,
				k.Digits != 0 && k.Digits != 6 && k.Digits != 8,
				k.Period < 0, k.Counter < 0, len(k.Serial) > 64,
				k.Serial == "" && k.KeyID == "" && k.User == "":
				t.Fatalf("key %+v", k)
			case !slices.Contains([]string{"", seedfile.HOTP, seedfile.TOTP}, k.Algorithm),
				!slices.Contains([]string{"", seedfile.SHA1, seedfile.SHA256, seedfile.SHA512}, k.Hash):
				t.Fatalf("key %+v", k)
			}
			messages = append(messages, k.Notes...)
		}
		for _, k := range keys {
			noSecret(t, string(data), messages, k)
		}
	})
}

// noSecret searches messages for a seed, in every encoding. Short seeds, and seeds with few different bytes, occur by chance
// (such as a serial number of zeros in another row). A text that is twice in the file may be a name in the other place. These are
// ignored.
func noSecret(t *testing.T, data string, messages []string, k seedfile.Key) {
	variety := slices.Sorted(slices.Values(k.Secret))
	if len(k.Secret) < 10 || len(slices.Compact(variety)) < 4 {
		return
	}
	names := strings.ToLower(k.Serial + k.KeyID + k.User + k.Issuer + k.Description)
	data = strings.ToLower(data)
	for _, s := range []string{string(k.Secret), hex.EncodeToString(k.Secret), base64.RawStdEncoding.EncodeToString(k.Secret)} {
		s = strings.ToLower(s)
		if strings.Contains(names, s) || strings.Count(data, s) > 1 {
			continue
		}
		for _, m := range messages {
			if strings.Contains(strings.ToLower(m), s) {
				t.Fatalf("a message holds a seed: %s", m)
			}
		}
	}
}

func FuzzAuto(f *testing.F) { fuzzFormat(f, seedfile.Auto) }

func FuzzVendorXML(f *testing.F) { fuzzFormat(f, seedfile.VendorXML) }

func FuzzPSKC(f *testing.F) { fuzzFormat(f, seedfile.PSKC) }

func FuzzOATHCSV(f *testing.F) { fuzzFormat(f, seedfile.OATHCSV) }

func FuzzYubicoCSV(f *testing.F) { fuzzFormat(f, seedfile.YubicoCSV) }

func FuzzEntraCSV(f *testing.F) { fuzzFormat(f, seedfile.EntraCSV) }

func FuzzSafeNetXML(f *testing.F) { fuzzFormat(f, seedfile.SafeNetXML) }

func FuzzSafeNetDAT(f *testing.F) { fuzzFormat(f, seedfile.SafeNetDAT) }

func FuzzFeitian(f *testing.F) { fuzzFormat(f, seedfile.Feitian) }

func FuzzOTPAuth(f *testing.F) { fuzzFormat(f, seedfile.OTPAuth) }

func FuzzMigration(f *testing.F) { fuzzFormat(f, seedfile.Migration) }

// FuzzBadSeed puts any text in the place of a seed, except in a first line, which may be a header and is then named: no error and
// no refused row shows it.
func FuzzBadSeed(f *testing.F) {
	for _, s := range []string{"313", "GEZDGNBVGY3TQOJQ!", "&seedseedseed;", "<seedseedseed", "<A00000>", "]]>seedseedseed", "a\"seedseedseed", "\"seedseedseed"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, seed string) {
		if len(seed) < 8 || strings.Trim(seed, "0123456789abcdefABCDEF") == "" {
			return
		}
		for _, file := range []string{
			vendor("", "<token><serial>1</serial><seed>"+seed+"</seed></token>"),
			pskc("", pskcKey(pskcNS+":hotp", sixDigits, "<Secret><PlainValue>"+seed+"</PlainValue></Secret>", ""), "1.0"),
			"1001,x\n1001," + seed, "serial,seed,type\n1001," + seed + ",totp",
			"otpauth://totp/kim?secret=" + seed, "dn: a=1\nsccTokenData: sccMode=E;sccKey=" + seed,
		} {
			got, _, err := read([]byte(file), seedfile.Options{})
			said := got.Notes
			if err != nil {
				said = append(said, err.Error())
			}
			for _, b := range got.Bad.Rows {
				said = append(said, b.Reason, b.Serial)
			}
			for _, s := range said {
				if strings.Contains(s, seed) {
					t.Fatalf("%q says %q", file, s)
				}
			}
		}
	})
}

// FuzzAssignments reads any text as a batch assignment file: rows are complete, and no message contains a PIN.
func FuzzAssignments(f *testing.F) {
	f.Add(assignHeader + `"test domain", "john.smith", "DN", "MT", "10000", "ACTIVE", "marked-pin"`)
	f.Add(assignHeader + "d,u,DN,MT,1,,\n,u,DN,MT,1,,9999\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, bad, err := seedfile.ReadAssignments(text, 1000)
		if err != nil && !isKind(err, model.FileUnreadable) && !isKind(err, model.TooLarge) {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.Line < 2 || r.Domain == "" || r.LoginName == "" || r.ManufacturerCode == "" || r.ProductCode == "" || r.Serial == "" {
				t.Fatalf("row %+v", r)
			}
		}
		for _, b := range bad.Rows {
			if strings.Contains(b.Reason, "marked-pin") {
				t.Fatal(b)
			}
		}
	})
}

// TestSeedsOfTheCorpus checks that the fuzz targets start from a file of every format.
func TestSeedsOfTheCorpus(t *testing.T) {
	t.Parallel()
	seen := map[seedfile.Format]bool{}
	for _, path := range vectorFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(filepath.Base(path), err)
		}
		seen[seedfile.Detect(data)] = true
	}
	for _, format := range seedfile.Formats() {
		if !seen[format] {
			t.Errorf("no vector of format %s", format)
		}
	}
}
