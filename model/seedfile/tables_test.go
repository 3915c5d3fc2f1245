package seedfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

const assignHeader = "domain,loginName,manufacturerCode,productCode,serial,status,pin\n"

// TestReadAssignments reads the batch assignment file in the forms in which it occurs.
func TestReadAssignments(t *testing.T) {
	t.Parallel()
	full := seedfile.Assignment{Line: 2, Domain: "test domain", LoginName: "john.smith", ManufacturerCode: "DN", ProductCode: "MT", Serial: "10000", Status: "ACTIVE", PIN: model.Secret("1234")}
	bare := full
	bare.Status, bare.PIN = "", nil
	headed := full // after a header of two lines
	headed.Line = 3
	later := full
	later.Line = 5
	for _, c := range []struct {
		name, text string
		want       []seedfile.Assignment
	}{
		{"documented", assignHeader + `"test domain", "john.smith", "DN", "MT", "10000", "ACTIVE", "1234"`, []seedfile.Assignment{full}},
		{"plain", assignHeader + "test domain,john.smith,DN,MT,10000,ACTIVE,1234\n", []seedfile.Assignment{full}},
		{"spaces", " domain , loginName ,manufacturerCode, productCode, serial ,status ,pin \n test domain , john.smith , DN , MT , 10000 , ACTIVE , 1234 \n", []seedfile.Assignment{full}},
		{"bom, crlf", "\ufeff" + strings.ReplaceAll(assignHeader+"test domain,john.smith,DN,MT,10000,ACTIVE,1234\n", "\n", "\r\n"), []seedfile.Assignment{full}},
		{"blank lines", assignHeader + "\n \n,,,,,,\ntest domain,john.smith,DN,MT,10000,ACTIVE,1234\n\n", []seedfile.Assignment{later}},
		{"required only", "serial,productCode,manufacturerCode,loginName,domain\n10000,MT,DN,john.smith,test domain", []seedfile.Assignment{bare}},
		{"empty pin", assignHeader + "test domain,john.smith,DN,MT,10000,,", []seedfile.Assignment{bare}},
		{"header only", assignHeader, nil},
		{"blanks behind quotes", assignHeader + `"test domain" , "john.smith" ,"DN"  , "MT" , "10000" , "ACTIVE" , "1234" `, []seedfile.Assignment{full}},
		{"columns as people write them", "Domain,Login Name,manufacturer_code,Product\u00a0Code,\"Se\nrial\",Status,PIN\ntest domain,john.smith,DN,MT,10000,ACTIVE,1234\n", []seedfile.Assignment{headed}},
		{"quotes of another kind", assignHeader + "test domain,john.smith,DN,MT,'10000',ACTIVE,1234", []seedfile.Assignment{full}},
		{"vertical bars", strings.ReplaceAll(assignHeader+"test domain,john.smith,DN,MT,10000,ACTIVE,1234", ",", "|"), []seedfile.Assignment{full}},
		{"two byte order marks", "\ufeff\ufeff" + assignHeader + "test domain,john.smith,DN,MT,10000,ACTIVE,1234", []seedfile.Assignment{full}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, bad, err := seedfile.ReadAssignments(c.text, 0)
			if err != nil || bad.Count() > 0 {
				t.Fatal(err, bad)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReadAssignmentsRefuses: the error names the wrong column or row.
func TestReadAssignmentsRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "\n", "the file is empty"},
		{"unknown", "domain,loginName,manufacturerCode,productCode,serial,colour\n", "line 1: unknown column colour; the columns are domain, loginName, manufacturerCode, productCode, serial, status, pin; to ignore a column, name it in attrs.ignore"},
		{"twice in another case", "domain,Domain\n", "line 1: column Domain is given twice"},
		{"missing", "\n\ndomain,loginName,manufacturerCode,productCode\n", "line 3: column serial is missing"},
		{"twice", "domain,domain\n", "line 1: column domain is given twice"},
		{"twice in another spelling", "domain,login name,login_name\n", "line 1: two columns hold the loginName"},
		{"spoilt by a spreadsheet", assignHeader + "d,u,DN,MT,1,,1.23E+05\nd,u,DN,MT,1,,#NAME?\nd,u,DN,MT,10000000.0,,\nd,#REF!,DN,MT,1,,\nd,u,DN,MT,1,,12E5678\n",
			"2 a spreadsheet has rounded the pin: write it as text; 3 a spreadsheet has failed to compute the pin: write it as text; 4 a spreadsheet has put .0 behind the serial: write it as text; 5 a spreadsheet has failed to compute the loginName: write it as text; 1 good"},
		{"a workbook", "PK\x03\x04,", "the file is a spreadsheet workbook or an archive: save it as CSV, or unpack it"},
		{"nameless", "domain,,serial\n", "line 1: column 2 has no name"},
		{"no header", "d,u,DN,MT,1,ACTIVE,12345678901234567890\n", "line 1: unknown column d; the columns are domain, loginName, manufacturerCode, productCode, serial, status, pin; to ignore a column, name it in attrs.ignore"},
		{"rows", assignHeader + "d,u,DN,MT,,,\nd,u,DN,MT,1\nd,u,DN,MT,\"1\"x,,\nd,u,DN,MT,1,,\n", "2 serial is missing; 3 the row has 5 fields, the header has 7; 4 a quote is not closed, or is inside a field without quotes; 1 good"},
		{"too many", assignHeader + strings.Repeat("d,u,DN,MT,1,,\n", 11), "the file has more than 10 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, bad, err := seedfile.ReadAssignments(c.text, 10)
			got := ""
			for _, r := range bad.Rows {
				got += fmt.Sprintf("%d %s; ", r.Line, r.Reason)
			}
			got += fmt.Sprintf("%d good", len(rows))
			var e *model.Error
			if errors.As(err, &e) {
				got = e.Msg
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestReadUsers reads a table of users unchanged.
func TestReadUsers(t *testing.T) {
	t.Parallel()
	known := func(c string) string {
		for _, k := range []string{"loginName", "password", "description"} {
			if strings.EqualFold(k, c) {
				return k
			}
		}
		return ""
	}
	got, err := seedfile.ReadUsers("\ufeffpassword, loginName,description\r\n\" a, \"\"b \", kim,\"two\nlines\"\r\nx,lee\r\ny,pat,\r\n", 0, known)
	if err != nil {
		t.Fatal(err)
	}
	want := &seedfile.UserTable{
		Columns: []string{"password", "loginName", "description"},
		Rows:    []seedfile.UserRow{{2, seedfile.Fields{" a, \"b ", "kim", "two\nlines"}}, {5, seedfile.Fields{"y", "pat", ""}}},
		Bad:     seedfile.Bad{Rows: []model.RowError{{Line: 4, Reason: "the row has 2 fields, the header has 3"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := fmt.Sprintf("%v %+v %#v", got.Rows, got.Rows, got.Rows); strings.Contains(s, "kim") {
		t.Error("a row prints its values")
	}
	if _, err := seedfile.ReadUsers("loginName,shoeSize\n", 0, known); err == nil || err.Error() != "line 1: unknown column shoeSize; to ignore a column, name it in attrs.ignore" {
		t.Error(err)
	}
}

// TestManyBadRows: a thousand bad rows are listed, and the others are counted.
func TestManyBadRows(t *testing.T) {
	t.Parallel()
	_, bad, err := seedfile.ReadAssignments(assignHeader+strings.Repeat("d,u,DN,MT,,,\n", 1500), 0)
	if err != nil || len(bad.Rows) != 1000 || bad.More != 500 {
		t.Error(len(bad.Rows), bad.More, err)
	}
}

// TestDecode converts characters back to bytes if a charset is named.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, charset, want, err string }{
		{"Büro", "", "Büro", ""},
		{"BÃ¼ro", "UTF-8", "BÃ¼ro", ""},
		{"B\u00fcro", "ISO-8859-1", "Büro", ""},
		{"\u0080uro", " windows-1252 ", "€uro", ""},
		{"\u0080uro", "CP1252", "€uro", ""},
		{"\u0083A", "shift_jis", "ア", ""},
		{"\u00a4", "iso-8859-15", "€", ""},
		{"日本", "shift_jis", "日本", ""},
		{"x", "klingon", "", `attrs.charset: the charset "klingon" is not known`},
	} {
		got, err := seedfile.Decode(c.text, c.charset)
		msg := ""
		if err != nil {
			msg = err.Error()
		}
		if msg != c.err || got != c.want {
			t.Errorf("Decode(%q, %q) = %q, %q; want %q, %q", c.text, c.charset, got, msg, c.want, c.err)
		}
	}
}
