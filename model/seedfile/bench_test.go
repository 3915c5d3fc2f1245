package seedfile_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tokensmith/model/seedfile"
)

// benchmarkRows is how many rows the benchmarks read at a time.
const benchmarkRows = 100_000

func vendorFile(rows int) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\"?>\n<data>\n<header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode>" +
		"<encrypt>NONE</encrypt><encode>HEX</encode><digits>6</digits><timeWindow>60</timeWindow><crypto>HmacSHA1</crypto></header>\n<tokens>\n")
	for i := range rows {
		fmt.Fprintf(&b, "  <token>\n    <serial>%08d</serial>\n    <seed>%040X</seed>\n  </token>\n", i, i*7919)
	}
	b.WriteString("</tokens>\n</data>\n")
	return b.Bytes()
}

func oathFile(rows int) []byte {
	var b bytes.Buffer
	for i := range rows {
		fmt.Fprintf(&b, "%08d, %040x, totp, 6, 30\r\n", i, i*7919)
	}
	return b.Bytes()
}

func benchmarkRead(b *testing.B, data []byte) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		f, err := seedfile.Read(bytes.NewReader(data), seedfile.Options{}, func(*seedfile.File, seedfile.Key) error { return nil })
		if err != nil || f.Keys != benchmarkRows {
			b.Fatal(f.Keys, err)
		}
	}
	b.ReportMetric(benchmarkRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkVendorXML(b *testing.B) { benchmarkRead(b, vendorFile(benchmarkRows)) }

func BenchmarkPSKC(b *testing.B) {
	row := pskcKey(pskcNS+":hotp", sixDigits, plainSecret, "") + "\n"
	benchmarkRead(b, []byte(pskc("", strings.Repeat(row, benchmarkRows), "1.0")))
}

func BenchmarkFeitian(b *testing.B) {
	benchmarkRead(b, bytes.Repeat([]byte("2600100000001  3132333435363738393031323334353637383930\r\n"), benchmarkRows))
}

func BenchmarkOTPAuth(b *testing.B) {
	benchmarkRead(b, bytes.Repeat([]byte("otpauth://totp/Example:kim?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example\n"), benchmarkRows))
}

func BenchmarkOATHCSV(b *testing.B) { benchmarkRead(b, oathFile(benchmarkRows)) }
