package otp_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tokensmith/model/otp"
)

var (
	hotp6  = otp.Params{Algorithm: otp.HOTP, Digits: 6, Hash: otp.HmacSHA1}
	totp30 = otp.Params{Algorithm: otp.TOTP, Digits: 6, Period: 30, Hash: otp.HmacSHA1}
)

// The keys of the test vectors in the RFCs: RFC 4226, appendix D; RFC 6238, appendix B, with the lengths that its reference code
// uses for each hash.
var (
	key20 = []byte("12345678901234567890")
	key32 = []byte("12345678901234567890123456789012")
	key64 = []byte("1234567890123456789012345678901234567890123456789012345678901234")
)

func TestGenerateGivesRFC4226AppendixD(t *testing.T) {
	t.Parallel()
	want := []string{
		"755224", "287082", "359152", "969429", "338314",
		"254676", "287922", "162583", "399871", "520489",
	}
	var got []string
	for counter := range uint64(len(want)) {
		got = append(got, otp.Generate(key20, counter, hotp6))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("codes of counters 0 to 9 (-want +got):\n" + diff)
	}
}

// The decimal column of the second table in the appendix is the truncated value before the modulus. So its last eight digits are
// the eight-digit codes.
func TestGenerateGivesRFC4226AppendixDInEightDigits(t *testing.T) {
	t.Parallel()
	p := hotp6
	p.Digits = 8
	truncated := []uint32{
		1284755224, 1094287082, 137359152, 1726969429, 1640338314,
		868254676, 1918287922, 82162583, 673399871, 645520489,
	}
	for counter, value := range truncated {
		want := fmt.Sprintf("%08d", value%100_000_000)
		if got := otp.Generate(key20, uint64(counter), p); got != want {
			t.Errorf("counter %d: got %s, want %s", counter, got, want)
		}
	}
}

func TestGenerateGivesRFC6238AppendixB(t *testing.T) {
	t.Parallel()
	keys := map[otp.Hash][]byte{otp.HmacSHA1: key20, otp.HmacSHA256: key32, otp.HmacSHA512: key64}
	tests := []struct {
		now  int64
		utc  string
		step uint64
		want map[otp.Hash]string
	}{
		{59, "1970-01-01 00:00:59", 0x1, map[otp.Hash]string{otp.HmacSHA1: "94287082", otp.HmacSHA256: "46119246", otp.HmacSHA512: "90693936"}},
		{1111111109, "2005-03-18 01:58:29", 0x23523EC, map[otp.Hash]string{otp.HmacSHA1: "07081804", otp.HmacSHA256: "68084774", otp.HmacSHA512: "25091201"}},
		{1111111111, "2005-03-18 01:58:31", 0x23523ED, map[otp.Hash]string{otp.HmacSHA1: "14050471", otp.HmacSHA256: "67062674", otp.HmacSHA512: "99943326"}},
		{1234567890, "2009-02-13 23:31:30", 0x273EF07, map[otp.Hash]string{otp.HmacSHA1: "89005924", otp.HmacSHA256: "91819424", otp.HmacSHA512: "93441116"}},
		{2000000000, "2033-05-18 03:33:20", 0x3F940AA, map[otp.Hash]string{otp.HmacSHA1: "69279037", otp.HmacSHA256: "90698825", otp.HmacSHA512: "38618901"}},
		{20000000000, "2603-10-11 11:33:20", 0x27BC86AA, map[otp.Hash]string{otp.HmacSHA1: "65353130", otp.HmacSHA256: "77737706", otp.HmacSHA512: "47863826"}},
	}
	for _, test := range tests {
		if got := time.Unix(test.now, 0).UTC().Format(time.DateTime); got != test.utc {
			t.Errorf("the vector's time %d is %s, the RFC prints %s", test.now, got, test.utc)
		}
		for hash, want := range test.want {
			p := otp.Params{Algorithm: otp.TOTP, Digits: 8, Period: 30, Hash: hash}
			if got := uint64(p.Step(test.now)); got != test.step {
				t.Errorf("%s: step %#x, want %#x", test.utc, got, test.step)
			}
			if got := otp.Generate(keys[hash], test.step, p); got != want {
				t.Errorf("%s %s: got %s, want %s", test.utc, hash, got, want)
			}
			if step, outcome := otp.Verify(keys[hash], p, otp.State{}, test.now, 0, want); outcome != otp.Match || uint64(step) != test.step {
				t.Errorf("%s %s: Verify gives %d, %v", test.utc, hash, step, outcome)
			}
		}
	}
}

// TestKeysThatAreOne: keys from which HMAC derives the same key make the same passwords, and other keys do not.
func TestKeysThatAreOne(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("0123456789"), 20)
	for _, hash := range []otp.Hash{otp.HmacSHA1, otp.HmacSHA256, otp.HmacSHA512} {
		p := totp30
		p.Hash = hash
		var keys [][]byte
		for _, n := range []int{20, 63, 64, 65, 127, 128, 129, 200} {
			key := long[:n]
			keys = append(keys, key, hash.Key(key), append(slices.Clone(key), 0), append(slices.Clone(key), 0, 0, 0), append(hash.Key(key), 0))
		}
		for _, a := range keys {
			for _, b := range keys {
				same := otp.Generate(a, 1, p) == otp.Generate(b, 1, p) && otp.Generate(a, 2, p) == otp.Generate(b, 2, p)
				if same != bytes.Equal(hash.Key(a), hash.Key(b)) {
					t.Errorf("%s: %x and %x make the same passwords: %v", hash, a, b, same)
				}
			}
		}
	}
}
