package otp_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tokensmith/model/modeltest"
	"tokensmith/model/otp"
)

// TestAgreesWithOathtool compares codes with those of oathtool from Debian, an independent implementation, for keys of many
// lengths, counters and times.
func TestAgreesWithOathtool(t *testing.T) {
	t.Parallel()
	tool := modeltest.Tool(t, "oathtool")
	rng := rand.New(rand.NewPCG(4226, 6238))
	hashes := map[otp.Hash]string{otp.HmacSHA1: "SHA1", otp.HmacSHA256: "SHA256", otp.HmacSHA512: "SHA512"}
	for _, length := range []int{10, 16, 20, 32, 64, 65, 128, 129, 200} {
		key := make([]byte, length)
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		for _, digits := range []int{6, 8} {
			counter := rng.Uint64() >> rng.IntN(64)
			compare(t, tool, key, counter, otp.Params{Algorithm: otp.HOTP, Digits: digits, Hash: otp.HmacSHA1},
				fmt.Sprintf("--counter=%d", counter))
			for hash, name := range hashes {
				p := otp.Params{Algorithm: otp.TOTP, Digits: digits, Period: []int64{1, 30, 60, 3600}[rng.IntN(4)], Hash: hash}
				at := rng.Int64N(1 << 36)
				compare(t, tool, key, uint64(p.Step(at)), p, "--totp="+name, fmt.Sprintf("--time-step-size=%ds", p.Period),
					"--now="+time.Unix(at, 0).UTC().Format("2006-01-02 15:04:05 UTC"))
			}
		}
	}
}

func compare(t *testing.T, tool string, key []byte, moving uint64, p otp.Params, args ...string) {
	t.Helper()
	args = append(args, fmt.Sprintf("--digits=%d", p.Digits), hex.EncodeToString(key))
	out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("oathtool %v: %v: %s", args, err, out)
	}
	if got, want := otp.Generate(key, moving, p), strings.TrimSpace(string(out)); got != want {
		t.Errorf("got %s, oathtool %v prints %s", got, args, want)
	}
}
