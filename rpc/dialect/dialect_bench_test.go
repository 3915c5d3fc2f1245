package dialect

import (
	"strings"
	"testing"
)

// BenchmarkReadDialect measures bodies that are almost JSON, as old clients usually send them.
func BenchmarkReadDialect(b *testing.B) {
	for name, body := range map[string]string{
		"rows":       "{calls:[" + strings.Repeat(`{"method": "/token/create" "params": {"attrs": ["serial": "1000000001", "pin": tokenpin]}}`+"\n", 10_000) + "]}",
		"a file":     "{\"data\":\"" + strings.Repeat("1000000001,3132333435363738393031323334353637383930,HOTP\r\n", 20_000) + "\"}",
		"typography": "[" + strings.Repeat("\u201cJ\u00fcrgen M\u00fcller\u201d,\u00a0", 40_000) + "]",
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readDialect([]byte(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadStrict measures bodies that are JSON, with one call and with many.
func BenchmarkReadStrict(b *testing.B) {
	call := `{"user":{"domain.name":"domain.com","loginName":"john.smith"},"credential":{"otp":"755224"}}`
	for name, body := range map[string]string{"a call": call, "rows": `{"calls":[` + strings.Repeat(call+",", 9_999) + call + "]}"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadParams([]byte(body), true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
