package otp_test

import (
	"testing"

	"tokensmith/model/otp"
)

func BenchmarkGenerate(b *testing.B) {
	for _, hash := range []otp.Hash{otp.HmacSHA1, otp.HmacSHA256, otp.HmacSHA512} {
		b.Run(string(hash), func(b *testing.B) {
			p := hotp6
			p.Hash = hash
			b.ReportAllocs()
			for step := uint64(0); b.Loop(); step++ {
				otp.Generate(key20, step, p)
			}
		})
	}
}

// BenchmarkVerifyWindow measures the most expensive check: a wrong password, for which the whole window is searched.
func BenchmarkVerifyWindow(b *testing.B) {
	for name, p := range map[string]otp.Params{"HOTP": hotp6, "TOTP": totp30} {
		for window, label := range map[int]string{1: "1", 10: "10", 200: "200"} {
			b.Run(name+"/"+label, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					otp.Verify(key20, p, otp.State{Next: 500}, 1_111_111_109, window, "000000")
				}
			})
		}
	}
}

// BenchmarkVerifyLogin measures the usual check: the password of the expected step.
func BenchmarkVerifyLogin(b *testing.B) {
	code := otp.Generate(key20, 1000, totp30)
	b.ReportAllocs()
	for b.Loop() {
		if _, outcome := otp.Verify(key20, totp30, otp.State{Next: 999}, now, 30, code); outcome != otp.Match {
			b.Fatal("refused")
		}
	}
}
