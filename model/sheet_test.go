package model_test

import (
	"testing"

	"tokensmith/model"
)

// TestSheetFault: cells in which a spreadsheet, or a program that read one, has put another value, and values that only look like
// this.
func TestSheetFault(t *testing.T) {
	t.Parallel()
	for fault, texts := range map[string][]string{
		"has rounded":           {"1E+11", "1.23457e+11", "1,23457E+11", "-1E+11", "1.00E+05", "10E+10", "123.5E+09", "1.2E-05", "1,2E-05", "1.0E7", "1.2345678901E10"},
		"has put .0 behind":     {"10000000.0", "00012.0"},
		"has failed to compute": {"#REF!", "#N/A", "#NAME?", "#WERT!", "#ÜBERLAUF!", "#DIV/0!", "#NV", "########", "###"},
		"": {"", "12E5678", "1E11", "5E-3", "1234E+11", "E+11", "1.5", "1.0", "12.0", "10000000.00", "1.2.0", "#1001", "#", "##", "#21#", "#ref!", "#N/A1", "+4915112345", "0x1E+11",
			"1E+11 ", "1.2E-05x", "A1.0E7", "10000000,0"},
	} {
		for _, text := range texts {
			if got := model.SheetFault(text); got != fault {
				t.Errorf("%q: %q, not %q", text, got, fault)
			}
			if _, reason := model.SerialName.Clean(text); fault != "" && reason == "" {
				t.Errorf("%q is a serial", text)
			}
		}
	}
}

// TestCell: what a cell was meant to be.
func TestCell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, value, serial string }{
		{" x\u00a0", "x", "x"}, {`="0001"`, "0001", "0001"}, {"'0001", "'0001", "0001"}, {"'0001'", "'0001'", "0001"}, {"'=x", "=x", "=x"}, {"'+1", "+1", "+1"},
		{"'t Hart", "'t Hart", "'t Hart"}, {"'x'", "'x'", "'x'"}, {"'", "'", "'"}, {"''", "''", "''"}, {"'1", "'1", "1"},
	} {
		if got := model.Cell(c.text, false); got != c.value {
			t.Errorf("%q: %q", c.text, got)
		}
		if got := model.Cell(c.text, true); got != c.serial {
			t.Errorf("the serial %q: %q", c.text, got)
		}
	}
}
