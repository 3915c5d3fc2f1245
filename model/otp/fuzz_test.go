package otp_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"math/big"
	"testing"

	"tokensmith/model/otp"
)

// reference is a second implementation of RFC 4226, section 5.3, which follows the text digit by digit and uses nothing from the
// package: the counter as eight bytes by repeated division, and the truncated number and its remainder as big integers.
func reference(key []byte, moving uint64, digits int, name otp.Hash) string {
	message := make([]byte, 8)
	for i := 7; i >= 0; i-- {
		message[i] = byte(moving % 256)
		moving /= 256
	}
	mac := hmac.New(map[otp.Hash]func() hash.Hash{
		otp.HmacSHA1: sha1.New, otp.HmacSHA256: sha256.New, otp.HmacSHA512: sha512.New,
	}[name], key)
	mac.Write(message)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] % 16
	number := new(big.Int).SetBytes(sum[offset : offset+4])
	number.SetBit(number, 31, 0)
	number.Mod(number, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil))
	return fmt.Sprintf("%0*s", digits, number)
}

func paramsOf(choice uint8, period int64) otp.Params {
	return otp.Params{
		Algorithm: []otp.Algorithm{otp.HOTP, otp.TOTP}[choice%2],
		Digits:    []int{6, 8}[choice/2%2],
		Hash:      []otp.Hash{otp.HmacSHA1, otp.HmacSHA256, otp.HmacSHA512}[choice/4%3],
		Period:    period,
	}
}

func FuzzGenerate(f *testing.F) {
	f.Add(key20, uint64(1), uint8(0))
	f.Add(key32, uint64(0x27BC86AA), uint8(7))
	f.Add(key64, ^uint64(0), uint8(11))
	f.Fuzz(func(t *testing.T, key []byte, moving uint64, choice uint8) {
		p := paramsOf(choice, 30)
		got := otp.Generate(key, moving, p)
		if len(key) == 0 {
			if got != "" {
				t.Errorf("an empty key gives %q", got)
			}
			return
		}
		if want := reference(key, moving, p.Digits, p.Hash); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// FuzzVerify checks for any state, time and window: a password that Verify accepts belongs to a step in the window that is not
// below Next. The state after it never moves back, and refuses that password. Every password of a step in the window is either
// accepted or called a replay.
func FuzzVerify(f *testing.F) {
	f.Add(key20, uint8(0), int64(30), int64(100), int64(0), int64(0), 10, int64(3))
	f.Add(key20, uint8(1), int64(30), int64(0), int64(0), int64(59), 2, int64(-1))
	f.Add(key20, uint8(1), int64(1), int64(5), int64(-7), int64(-59), 2, int64(1))
	f.Add(key64, uint8(11), int64(60), otp.LastStep, int64(1)<<62, int64(1)<<62, 200, int64(0))
	f.Fuzz(func(t *testing.T, key []byte, choice uint8, period, next, drift, now int64, window int, ahead int64) {
		p := paramsOf(choice, period)
		window %= 300
		st := otp.State{Next: next, Drift: drift}
		step := st.Next + ahead%600
		if p.Algorithm == otp.TOTP {
			step = p.Step(now) + drift + ahead%600
		}
		code := otp.Generate(key, uint64(step), p)
		match, outcome := otp.Verify(key, p, st, now, window, code)
		if code == "" {
			if outcome != otp.NoMatch {
				t.Fatalf("outcome %v without a password", outcome)
			}
			return
		}
		if inWindow(p, st, now, window, step) && outcome == otp.NoMatch {
			t.Fatalf("the password of step %d in the window of %+v is refused", step, st)
		}
		after := otp.Accept(p, st, now, match)
		if outcome != otp.Match {
			return
		}
		if match < st.Next || !inWindow(p, st, now, window, match) || otp.Generate(key, uint64(match), p) != code {
			t.Fatalf("step %d matched from %+v", match, st)
		}
		if after.Next != match+1 || after.Next <= st.Next {
			t.Fatalf("accepting step %d turns %+v into %+v", match, st, after)
		}
		if _, again := otp.Verify(key, p, after, now, window, code); again != otp.Replayed {
			t.Fatalf("the password accepted for step %d gives %v from %+v", match, again, after)
		}
	})
}

// FuzzResync checks that a pair is accepted exactly if it is consecutive, unused and in the window, for any numbers, and that its
// passwords are used afterwards.
func FuzzResync(f *testing.F) {
	f.Add(key20, uint8(2), int64(400), int64(0), int64(0), 200, uint8(100), int8(1))
	f.Add(key20, uint8(3), int64(960), int64(0), int64(30_015), 60, uint8(1), int8(1))
	f.Add(key20, uint8(3), int64(960), int64(9), int64(30_015), 60, uint8(1), int8(-1))
	f.Fuzz(func(t *testing.T, key []byte, choice uint8, next, drift, now int64, window int, ahead uint8, gap int8) {
		p := paramsOf(choice|2, 30) // eight digits: fewer passwords that are equal by chance
		window %= 300
		st := otp.State{Next: next, Drift: drift}
		first := st.Next + int64(ahead)
		second := first + int64(gap)
		code1, code2 := otp.Generate(key, uint64(first), p), otp.Generate(key, uint64(second), p)
		after, ok := otp.Resync(key, p, st, now, window, code1, code2)
		want := code1 != "" && gap == 1 && first >= st.Next &&
			inWindow(p, st, now, window, first) && inWindow(p, st, now, window, second)
		if ok != want {
			t.Fatalf("the passwords of %d and %d from %+v: got %v, want %v", first, second, st, ok, want)
		}
		if !ok {
			if after != st {
				t.Fatalf("a refused pair turns %+v into %+v", st, after)
			}
			return
		}
		if after.Next != second+1 {
			t.Fatalf("the pair %d, %d gives %+v", first, second, after)
		}
		if _, outcome := otp.Verify(key, p, after, now, 300, code2); outcome != otp.Replayed {
			t.Fatalf("the second password gives %v from %+v", outcome, after)
		}
	})
}
