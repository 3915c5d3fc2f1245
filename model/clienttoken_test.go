package model_test

import (
	"bytes"
	"crypto/rand"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"

	"tokensmith/model"
)

func newClientToken(t *testing.T) (string, model.ClientToken) {
	t.Helper()
	text, row, err := model.NewClientToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), row
}

func TestClientTokenFormat(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile("^" + model.ClientTokenPattern + "$")
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	seen := map[string]bool{}
	var used strings.Builder
	for range 2000 {
		text, row := newClientToken(t)
		if !pattern.MatchString(text) || row.ID != text[4:14] || row.Hint != text[46:] || row.State != model.Issued {
			t.Fatalf("%s %+v", text, row)
		}
		if seen[row.ID] {
			t.Fatal("an id comes twice")
		}
		seen[row.ID] = true
		used.WriteString(text[4:44])
		// The checksum according to its definition.
		n := uint64(0)
		for _, c := range text[44:] {
			n = n*62 + uint64(strings.IndexRune(digits, c))
		}
		if n != uint64(crc32.ChecksumIEEE([]byte(text[:44]))) {
			t.Fatalf("checksum of %s", text)
		}
		id, hash, ok := model.ParseClientToken(text)
		if !ok || id != row.ID || !bytes.Equal(hash, row.Hash) {
			t.Fatalf("%s is not read back", text)
		}
	}
	for _, d := range digits {
		if n := strings.Count(used.String(), string(d)); n < 1000 || n > 1600 { // 1290 expected
			t.Errorf("%c is used %d times", d, n)
		}
	}
}

// TestClientTokenTypos: the checksum finds every typing error: a wrong character anywhere, two swapped, one too few or too many.
// White space around the token is ignored.
func TestClientTokenTypos(t *testing.T) {
	t.Parallel()
	text, _ := newClientToken(t)
	refused := func(typo string) {
		if _, _, ok := model.ParseClientToken(typo); ok && typo != text {
			t.Errorf("%q is taken for %q", typo, text)
		}
	}
	for i := range text {
		for c := range 256 {
			refused(text[:i] + string([]byte{byte(c)}) + text[i+1:])
		}
		refused(text[:i] + text[i+1:])
		refused(text[:i] + "0" + text[i:])
		if i > 0 {
			refused(text[:i-1] + text[i:i+1] + text[i-1:i] + text[i+1:])
		}
	}
	for _, other := range []string{"", "tsc_", strings.ToLower(text), strings.ToUpper(text), text + text} {
		refused(other)
	}
}

func TestNumberedNames(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{"hall-002": true}
	got := model.NumberedNames("Hall", 3, func(n string) bool { return taken[n] })
	if strings.Join(got, " ") != "Hall-001 Hall-003 Hall-004" {
		t.Error(got)
	}
	many := model.NumberedNames("x", 100_000, func(string) bool { return false })
	if many[0] != "x-000001" || many[99_999] != "x-100000" {
		t.Error(many[0], many[99_999])
	}
}

func TestLicenseSeats(t *testing.T) {
	t.Parallel()
	l := model.License{Name: "l", Seats: 3, SeatsUsed: 1, Expires: 10_500}
	for at, want := range map[model.Time]int64{0: 2, 10_000: 2, 10_999: 2, 11_000: 0} {
		if got := l.FreeSeats(at); got != want {
			t.Errorf("%d free seats at %d, not %d", got, at, want)
		}
	}
	l.Expires = 0
	if l.FreeSeats(1<<60) != 2 {
		t.Error("a license without an end has expired")
	}
}
