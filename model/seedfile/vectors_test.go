package seedfile_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/model"
	"tokensmith/model/modeltest"
	"tokensmith/model/seedfile"
)

var update = flag.Bool("update", false, "rewrite the .want files of testdata/vectors/seedfile")

const vectors = "../../testdata/vectors/seedfile"

// vectorOptions contains the options for the encrypted vectors.
var vectorOptions = map[string]seedfile.Options{
	"rfc6030-figure6.xml": {PreSharedKey: unhex("12345678901234567890123456789012")},
	"rfc6030-figure7.xml": {Password: model.Secret("qwerty")},
}

func unhex(s string) model.Secret {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// read reads a file in memory and collects its keys.
func read(data []byte, opts seedfile.Options) (*seedfile.File, []seedfile.Key, error) {
	var keys []seedfile.Key
	f, err := seedfile.Read(bytes.NewReader(data), opts, func(_ *seedfile.File, k seedfile.Key) error {
		keys = append(keys, k)
		return nil
	})
	return f, keys, err
}

// vectorFiles returns the token files among the vectors.
func vectorFiles(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob(vectors + "/*")
	if err != nil || len(all) == 0 {
		t.Fatal("no vectors", err)
	}
	var out []string
	for _, f := range all {
		if !strings.HasSuffix(f, ".want") {
			out = append(out, f)
		}
	}
	return out
}

// TestVectors reads every file in testdata/vectors/seedfile and compares everything that was read, and the first OTPs of each
// key, with the .want file beside it.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, path := range vectorFiles(t) {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := transcript(read(data, vectorOptions[name]))
			if *update {
				if err := os.WriteFile(path+".want", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// kindNames are the kinds of error that Read may return.
var kindNames = map[model.Kind]string{
	model.FileUnreadable: "FileUnreadable", model.FileKey: "FileKey", model.TooLarge: "TooLarge", model.Invalid: "Invalid",
}

// transcript returns what was read from a file, one fact per line.
func transcript(f *seedfile.File, keys []seedfile.Key, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "format %s\n", f.Format)
	if f.ManufacturerCode+f.ProductCode != "" {
		fmt.Fprintf(&b, "product %s/%s\n", f.ManufacturerCode, f.ProductCode)
	}
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "note %s\n", n)
	}
	if err != nil {
		var e *model.Error
		errors.As(err, &e)
		fmt.Fprintf(&b, "error %s: %s\n", kindNames[e.Kind], e.Msg)
	}
	for _, k := range keys {
		fmt.Fprintf(&b, "key line=%d serial=%q id=%q %s %s digits=%d period=%d counter=%d drift=%d\n",
			k.Line, k.Serial, k.KeyID, orDash(k.Algorithm), orDash(k.Hash), k.Digits, k.Period, k.Counter, k.Drift)
		for _, said := range [][2]string{{"manufacturer", k.Manufacturer}, {"model", k.Model}, {"issuer", k.Issuer}, {"user", k.User}, {"description", k.Description}} {
			if said[1] != "" {
				fmt.Fprintf(&b, "  %s %q\n", said[0], said[1])
			}
		}
		fmt.Fprintf(&b, "  seed %x\n", []byte(k.Secret))
		for _, n := range k.Notes {
			fmt.Fprintf(&b, "  note %s\n", n)
		}
		for _, o := range firstOTPs(k) {
			fmt.Fprintf(&b, "  otp %d %s\n", o.counter, o.otp)
		}
	}
	for _, r := range f.Bad.Rows {
		fmt.Fprintf(&b, "bad line=%d serial=%q %s\n", r.Line, r.Serial, r.Reason)
	}
	return b.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type otpAt struct {
	counter int64
	otp     string
}

// firstOTPs returns the first two OTPs of an event-based key, or those of a time-based key at two times from RFC 6238. The
// defaults are SHA-1, 6 digits, 30 seconds, event-based.
func firstOTPs(k seedfile.Key) []otpAt {
	counters := []int64{k.Counter, k.Counter + 1}
	if k.Algorithm == seedfile.TOTP {
		period := k.Period
		if period == 0 {
			period = 30
		}
		counters = []int64{1111111109/period + k.Drift, 20000000000/period + k.Drift}
	}
	var out []otpAt
	for _, c := range counters {
		out = append(out, otpAt{c, hotp(k, c)})
	}
	return out
}

// hotp is a second implementation of RFC 4226, so that the readers are tested independently of package otp.
func hotp(k seedfile.Key, counter int64) string {
	h := map[string]func() hash.Hash{"": sha1.New, seedfile.SHA1: sha1.New, seedfile.SHA256: sha256.New, seedfile.SHA512: sha512.New}[k.Hash]
	mac := hmac.New(h, k.Secret)
	_ = binary.Write(mac, binary.BigEndian, counter)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	digits, mod := 6, uint32(1_000_000)
	if k.Digits == 8 {
		digits, mod = 8, 100_000_000
	}
	return fmt.Sprintf("%0*d", digits, n%mod)
}

// oathtoolOTP calls oathtool. With a time step of one second, its clock is the counter, for every hash.
func oathtoolOTP(t testing.TB, tool string, k seedfile.Key, counter int64) string {
	t.Helper()
	mode := map[string]string{"": "sha1", seedfile.SHA1: "sha1", seedfile.SHA256: "sha256", seedfile.SHA512: "sha512"}[k.Hash]
	digits := k.Digits
	if digits == 0 {
		digits = 6
	}
	out, err := exec.Command(tool, "--totp="+mode, "-s", "1s", "-d", fmt.Sprint(digits), "-N", fmt.Sprintf("@%d", counter), hex.EncodeToString(k.Secret)).CombinedOutput()
	if err != nil {
		t.Fatalf("oathtool: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestFirstOTPsAgreeWithOathtool compares the OTPs of every key in the vectors with an independent program.
func TestFirstOTPsAgreeWithOathtool(t *testing.T) {
	t.Parallel()
	tool := modeltest.Tool(t, "oathtool")
	for _, path := range vectorFiles(t) {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, keys, _ := read(data, vectorOptions[name])
		for _, k := range keys {
			for _, o := range firstOTPs(k) {
				if o.counter < 0 {
					continue
				}
				if want := oathtoolOTP(t, tool, k, o.counter); o.otp != want {
					t.Errorf("%s line %d: OTP at %d is %s, oathtool says %s", name, k.Line, o.counter, o.otp, want)
				}
			}
		}
	}
}
