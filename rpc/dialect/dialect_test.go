package dialect

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// dialectCase is a body and the JSON that it is read as.
type dialectCase struct{ name, in, want string }

var dialectCases = []dialectCase{
	{"nothing", "", `{}`},
	{"white space", " \t\r\n\u00a0\ufeff", `{}`},
	{"comments only", "// nothing\n/* here */", `{}`},
	{"JSON", ` { "a" : [ 1 , true , null , "x" , { } , [ ] ] } `, `{"a":[1,true,null,"x",{},[]]}`},
	{"a top value that is no object", `[1]`, `[1]`},

	{"members in square brackets", `"attrs"`, `"attrs"`},
	{"members in square brackets, one", `["a":1]`, `{"a":1}`},
	{"members in square brackets, nested", `{"attrs": [ "product.id": "p", "pin": "1", "user":["id":"u"] ]}`,
		`{"attrs":{"product.id":"p","pin":"1","user":{"id":"u"}}}`},
	{"members in square brackets, a word and a comment", "[ id /* the */ : // id\n 7]", `{"id":7}`},
	{"members in square brackets, a name like a number", `[10:"x",true:1]`, `{"10":"x","true":1}`},
	{"elements in square brackets", `["a", b, 1, ["c":2]]`, `["a","b",1,{"c":2}]`},
	{"nothing in square brackets", `[ ]`, `[]`},

	{"elements in braces", `{"match":{["a","=",1],["b","=",2],}}`, `{"match":[["a","=",1],["b","=",2]]}`},
	{"elements in braces, one", `{[a", "=", x] }`, `[["a","=","x"]]`},
	{"elements in braces, members", `{["a":1] ["b":2]}`, `[{"a":1},{"b":2}]`},

	{"a missing comma between members", `{"a":1 "b":2}`, `{"a":1,"b":2}`},
	{"a missing comma between members, no space", `{"a":"1""b":{}"c":[]d:3}`, `{"a":"1","b":{},"c":[],"d":3}`},
	{"a missing comma between elements", `[["x","=",1] ["y","=",2]]`, `[["x","=",1],["y","=",2]]`},
	{"a missing comma between words", "[a b\nc 1 2]", `["a","b","c",1,2]`},
	{"a missing comma between a number and a string", `[1"b"]`, `[1,"b"]`},
	{"a trailing comma, elements", `[1,2,]`, `[1,2]`},
	{"a trailing comma, members", `{"a":1 , }`, `{"a":1}`},
	{"a trailing comma, members in square brackets", `["a":1,]`, `{"a":1}`},

	{"a comment to the end of the line", "{\"a\": // why\n1}", `{"a":1}`},
	{"a comment to the end of a line of an old Mac", "{\"a\": // why\r1}", `{"a":1}`},
	{"a comment to the end of the body", `{"a":1} // done }`, `{"a":1}`},
	{"a comment between", `{/*1*/"a"/*2*/:/*3*/1/*4*/,/*5*/}/**/`, `{"a":1}`},
	{"a comment with stars", `[1/***/,/* * / **/2]`, `[1,2]`},
	{"a comment behind a word", "[abc//x\n,de/*y*/f]", `["abc","de","f"]`},
	{"a comment in a string is none", `["// x", "/* y"]`, `["// x","/* y"]`},
	{"a slash in a word", `[a/b, /token/create, 1/2]`, `["a/b","/token/create","1/2"]`},

	{"unquoted names and values", `{channel: SMS, pin:tokenpin}`, `{"channel":"SMS","pin":"tokenpin"}`},
	{"unquoted literals", `[true,false,null,True,NULL]`, `[true,false,null,"True","NULL"]`},
	{"numbers as written", `[0,-0,1.50,1e2,1E+400,100000000000000000000]`, `[0,-0,1.50,1e2,1E+400,100000000000000000000]`},
	{"almost numbers", `[0123,+1,.5,1.,1e,-,--1,0x1F,1_000,Infinity,-Infinity,NaN]`,
		`["0123","+1",".5","1.","1e","-","--1","0x1F","1_000","Infinity","-Infinity","NaN"]`},
	{"unquoted operators", `[serial, >>, 100, x ~= %]`, `["serial",">>",100,"x","~=","%"]`},
	{"unquoted letters of the world", `[Jürgen, 山田, e` + "\u0301" + `]`, `["Jürgen","山田","e` + "\u0301" + `"]`},

	{"the opening quote missing", `[domain.id", "=", "x"]`, `["domain.id","=","x"]`},
	{"the opening quote of a name missing", `{pin":"1", a" : 2}`, `{"pin":"1","a":2}`},
	{"the opening quote of a number missing", `[100", true"]`, `["100","true"]`},
	{"the closing quote missing", `["domain.id, "=", "x"]`, `["domain.id","=","x"]`},
	{"the closing quote of a name missing", `{"id:"x"}`, `{"id":"x"}`},
	{"the closing quote of a value missing", `{"pin":"1234, "a":"b"}`, `{"pin":"1234","a":"b"}`},
	{"the closing quote of the last string missing", `{"pin":"1234}`, `{"pin":"1234"}`},
	{"the closing quote of a number missing", `["100]`, `["100"]`},
	{"the closing quote typographic", "[\"domain.id\u201d, \"=\"]", `["domain.id","="]`},
	{"the opening quote typographic", "[\u201cdomain.id\", \"=\"]", `["domain.id","="]`},
	{"quotes missing at both ends of different words", `["a, "b", c", "d]`, `["a","b","c","d"]`},

	{"a line break in a string", "{\"data\":\"first line\nsecond\"}", `{"data":"first line\nsecond"}`},
	{"a tab and others in a string", "[\"a\tb\r\n\x00\x1f\x7f\b\f\"]", "[\"a\\tb\\r\\n\\u0000\\u001f\x7f\\b\\f\"]"},
	{"a line break by a name's quotes", "{\"\nattrs\":{\" \r\n a b \n\":1}}", `{"attrs":{"a b":1}}`},
	{"a line break inside a name", "{\"a\nb\":1}", `{"a\nb":1}`},
	{"an escaped line break by a name's quotes", `{"\nattrs":1,"\n x \n":2}`, `{"\nattrs":1,"\n x \n":2}`},
	{"spaces by a name's quotes", "{\" a\t\":1}", `{" a\t":1}`},
	{"a name of line breaks", "{\"\n\":1}", `{"\n":1}`},
	{"a line break by a value's quotes", "[\"\nUTF-8\"]", `["\nUTF-8"]`},

	{"typographic quotes", "{\u201cid\u201d: \u201ex\u201c}", `{"id":"x"}`},
	{"typographic quotes, any double one closes", "[\u201cx\u201c, \u201dy\"]", `["x","y"]`},
	{"typographic single quotes", "{\u2018id\u2019: \u201ax\u2018, \u2018y': 1}", `{"id":"x","y":1}`},
	{"typographic quotes in a plain string", "[\"\u201cx\u201d\", \"it\u2019s\"]", "[\"\u201cx\u201d\",\"it\u2019s\"]"},
	{"single quotes", `{'a':'say "x"', 'b':'\''}`, `{"a":"say \"x\"","b":"'"}`},
	{"single quotes in a plain string", `["it's"]`, `["it's"]`},
	{"plain double quotes in typographic single ones", "[\u2018say \"x\"\u2019]", `["say \"x\""]`},
	{"non-breaking spaces", "{\u00a0\"a\"\u00a0:\u00a01\u00a0}", `{"a":1}`},
	{"non-breaking spaces between words", "[a\u00a0b\u2003c\u200bd\ufeffe]", `["a","b","c","d","e"]`},
	{"a non-breaking space in a string", "[\"a\u00a0b\"]", "[\"a\u00a0b\"]"},
	{"a byte order mark", "\ufeff{a:1}", `{"a":1}`},

	{"escapes", `["\"\\\/\b\f\n\r\t\u0041\u00e4\u20ac"]`, `["\"\\/\b\f\n\r\tAä€"]`},
	{"an escaped character beyond 16 bits", `["\ud83d\uDE00"]`, `["😀"]`},
	{"an escaped NUL", `["\u0000"]`, `["\u0000"]`},
	{"names that differ in case", `{"a":1,"A":2,a.b:3}`, `{"a":1,"A":2,"a.b":3}`},
	{"a name in two objects", `[{"a":1}{"a":1}]`, `[{"a":1},{"a":1}]`},
	{"deep, but not too deep", strings.Repeat("[", dialectDepth) + strings.Repeat("]", dialectDepth),
		strings.Repeat("[", dialectDepth) + strings.Repeat("]", dialectDepth)},
}

// seedCases returns the requests of the seed document as it prints them, with each printed line as one line.
var seedCases = []dialectCase{
	{"create by ids", "{ \"attrs\":\n[\n\"product.id\": \"pid\",\n\"user.id\": \"userid\", \"pin\": \"tokenpin\"\n]\n}",
		`{"attrs":{"product.id":"pid","user.id":"userid","pin":"tokenpin"}}`},
	{"create by names", `{ "attrs":
[
"product":
{
"manufacturerCode":"DN",
"productCode":"MT"
},
"user":
{
"domain.name":"domain.com",
"loginNam":"john.smith"
} "pin":tokenpin
]
}`, `{"attrs":{"product":{"manufacturerCode":"DN","productCode":"MT"},` +
		`"user":{"domain.name":"domain.com","loginNam":"john.smith"},"pin":"tokenpin"}}`},
	{"delete", `{
"id":"token id"
"user":
{ "id":
"tokenid1", "domain.id": "domainId",
"loginName":
"loginName" } }
// Note: if the user block is given, system will unassign the token from the user instead of delete the token itself }`,
		`{"id":"token id","user":{"id":"tokenid1","domain.id":"domainId","loginName":"loginName"}}`},
	{"delete, the note before the last bracket", `{ "id":"token id" "user": { "id": "tokenid1" }
// Note: if the user block is given
}`, `{"id":"token id","user":{"id":"tokenid1"}}`},
	{"reset", `{
"token":
{ "serial":"10000000"
},
"attrs": //optional
{ "counter":0
}
}`, `{"token":{"serial":"10000000"},"attrs":{"counter":0}}`},
	{"confine and release", "{\n\"token\":\n{ \"serial\":\"10000000\"\n}\n}", `{"token":{"serial":"10000000"}}`},
	{"import", `{ "attrs":
{
"product.id":
"productId",
"repository.id":
"repoId",
"data":"text of import file"
} "return":
["id","serial"
]

}`, `{"attrs":{"product.id":"productId","repository.id":"repoId","data":"text of import file"},"return":["id","serial"]}`},
	{"syncToken", `{
"user":
{
"id": "userid"
},
"token":
{

"serial":"10000000"
},
"credential":"otp1,otp2"
}`, `{"user":{"id":"userid"},"token":{"serial":"10000000"},"credential":"otp1,otp2"}`},
	{"batchAssignTokens, line breaks behind quotes", "{\n\"\nattrs\":\n{ \"csv\":\n\"content of csv file\", \"charset\":\"\nUTF-8\"\n}\n}",
		`{"attrs":{"csv":"content of csv file","charset":"\nUTF-8"}}`},
	{"batchAssignTokens, a file as it is", "{\"attrs\":{\"csv\":\"domain,loginName\n\\\"test domain\\\", \\\"john.smith\\\"\"}}",
		`{"attrs":{"csv":"domain,loginName\n\"test domain\", \"john.smith\""}}`},
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for _, test := range append(append([]dialectCase{}, dialectCases...), seedCases...) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := readDialect([]byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
			if !jsontext.Value(got).IsValid() {
				t.Error("the translation is not JSON")
			}
		})
	}
}

// tooDeep has more nested brackets than any reader accepts.
var tooDeep = strings.Repeat("[\n", dialectDepth) + "["

func TestDialectRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		line     int
		column   int
		msg      string
	}{
		{"a doubled comma", `[1,,2]`, 1, 4, "a name or a value is expected here"},
		{"a leading comma", `{,"a":1}`, 1, 2, "a name or a value is expected here"},
		{"two trailing commas", "{\"a\":1,\n ,}", 2, 2, "a name or a value is expected here"},
		{"text behind the value", "{}\n x", 2, 2, "only white space and comments may follow the value"},
		{"a bracket too many", `{}}`, 1, 3, "only white space and comments may follow the value"},
		{"members without brackets", `"a":1`, 1, 4, "only white space and comments may follow the value"},
		{"an object not closed", "{\"a\":{\n\"b\":1}", 2, 7, "the bracket opened at line 1, column 1 is not closed"},
		{"an array not closed", "\n [1,", 2, 5, "the bracket opened at line 2, column 2 is not closed"},
		{"the wrong bracket", `{"a":[1}`, 1, 8, "a name or a value is expected here"},
		{"the wrong bracket for members", `["a":1}`, 1, 7, "a name or a value is expected here"},
		{"no value", `{"a":}`, 1, 6, "a name or a value is expected here"},
		{"no value at the end", `{"a":`, 1, 6, "a value is missing at the end"},
		{"no name", `{:1}`, 1, 2, "a name or a value is expected here"},
		{"no colon", `{"a" 1}`, 1, 6, "a colon is expected after a name"},
		{"no colon, the end", `{"a"`, 1, 5, "a colon is expected after a name"},
		{"an object for a name", `{{}:1}`, 1, 2, "a name or a value is expected here"},
		{"an element among members", `["a":1, "b"]`, 1, 12, "a colon is expected after a name"},
		{"an object among members", `["a":1, {}]`, 1, 9, "a name or a value is expected here"},
		{"a member among elements", `["b", "a":1]`, 1, 10, "a member cannot stand among the elements of an array"},
		{"a member behind an object", `[{}, a:1]`, 1, 7, "a member cannot stand among the elements of an array"},
		{"a name twice", "{\"a\":1,\n\"b\":2, \"a\":3}", 2, 8, "a name is given twice in one object"},
		{"a name twice, once escaped", `{"a":1,"\u0061":3}`, 1, 8, "a name is given twice in one object"},
		{"a name twice, once a word", `[true:1,"true":3]`, 1, 9, "a name is given twice in one object"},
		{"a name twice, once broken off", "{\"a\":1,\"\na\":3}", 1, 8, "a name is given twice in one object"},
		{"a comment not closed", "{\"a\":1\n/* }", 2, 1, "this comment is not closed"},
		{"a comment not closed behind the value", "{} /*/", 1, 4, "this comment is not closed"},
		{"a comment not closed behind a name", "{a/*:1}", 1, 3, "this comment is not closed"},
		{"an unknown escape", `["a\x"]`, 1, 4, "JSON has no such escape sequence"},
		{"an escape cut off", `["a\`, 1, 4, "JSON has no such escape sequence"},
		{"an escaped single quote between double ones", `["a\'"]`, 1, 4, "JSON has no such escape sequence"},
		{"an escape with too few digits", `["\u12"]`, 1, 3, "JSON has no such escape sequence"},
		{"half a surrogate pair", `["\ud83dx"]`, 1, 3, "JSON has no such escape sequence"},
		{"the halves in the wrong order", `["\ude00\ud83d"]`, 1, 3, "JSON has no such escape sequence"},
		{"half a pair and another character", `["\ud83d\u0041"]`, 1, 3, "JSON has no such escape sequence"},
		{"a backslash in a word", `{user: DOM\john}`, 1, 11, "a name or a value is expected here"},
		{"a backslash for a word", `[\]`, 1, 2, "a name or a value is expected here"},
		{"a control character between", "[1\x00]", 1, 3, "a name or a value is expected here"},
		{"a quote alone", `["]`, 1, 2, "a quote opens a string here that is not closed"},
		{"a quote before a comma", `[", "=", "x"]`, 1, 2, "a quote opens a string here that is not closed"},
		{"invalid UTF-8", "{\"ä\":\n\"ä\xff\"}", 2, 3, "the text is not valid UTF-8"},
		{"nested too deep", tooDeep, dialectDepth + 1, 1, "objects and arrays are nested more than 100 deep"},
		{"columns are characters", "[\"äöü\u00a0😀\",,]", 1, 10, "a name or a value is expected here"},
		{"lines of an old Mac", "[1,\r2,\r\n,]", 3, 1, "a name or a value is expected here"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := readDialect([]byte(test.in))
			if err == nil {
				t.Fatalf("read as %s", out)
			}
			want := &SyntaxError{test.line, test.column, test.msg}
			if diff := cmp.Diff(error(want), err); diff != "" {
				t.Error("(-want +got):\n" + diff)
			}
		})
	}
}

func TestReadParams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in         string
		strict, tolerant string // the JSON, or the error
	}{
		{"nothing", "", `{}`, `{}`},
		{"white space", " \r\n\t", `{}`, `{}`},
		{"a byte order mark", "\ufeff{\"a\":1}", `{"a":1}`, `{"a":1}`},
		{"a byte order mark alone", "\ufeff", `{}`, `{}`},
		{"JSON as it stands", ` {"a": 1.0, "b":"\u0041"} `, `{"a": 1.0, "b":"\u0041"}`, `{"a": 1.0, "b":"\u0041"}`},
		{"JSON too deep for the dialect", strings.Repeat("[", 101) + strings.Repeat("]", 101),
			strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat("[", 101) + strings.Repeat("]", 101)},
		{"a comment only", "// nothing", "line 1, column 1: invalid character '/' at start of value", `{}`},
		{"the dialect", "{\n\"pin\":tokenpin}", "line 2, column 8: invalid character 'o' in literal true (expecting 'r')", `{"pin":"tokenpin"}`},
		{"a missing comma", `{"a":1 "b":2}`, "line 1, column 8: invalid character '\"' after object value (expecting ',' or '}')", `{"a":1,"b":2}`},
		{"neither", "{\"a\":1 \"b\":2\n,,}", "line 1, column 8: invalid character '\"' after object value (expecting ',' or '}')",
			"line 2, column 2: a name or a value is expected here"},
		{"text behind the value", "{}\n x", "line 2, column 2: only white space may follow the value",
			"line 2, column 2: only white space and comments may follow the value"},
		{"a comment behind the value", `{} // x`, "line 1, column 4: only white space may follow the value", `{}`},
		{"cut off", "{\"a\":\n[1,2", "line 2, column 5: the body ends too early", "line 2, column 5: the bracket opened at line 2, column 1 is not closed"},
		{"a name twice", "{\"a\":1,\n \"a\":2}", "line 2, column 2: a name is given twice in one object", "line 2, column 2: a name is given twice in one object"},
		{"a name twice in the dialect", "{a:1,\n a:2}", "line 1, column 2: invalid character 'a' at start of string (expecting '\"')", "line 2, column 2: a name is given twice in one object"},
		{"invalid UTF-8", "{\"a\":\"ä\xc3\"}", "line 1, column 8: the text is not valid UTF-8", "line 1, column 8: the text is not valid UTF-8"},
		{"half a surrogate pair", `["\ud83d"]`, "", "line 1, column 3: JSON has no such escape sequence"},
	}
	for _, test := range tests {
		for _, strict := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, strict %v", test.name, strict), func(t *testing.T) {
				t.Parallel()
				want := test.tolerant
				if strict {
					want = test.strict
				}
				value, err := ReadParams([]byte(test.in), strict)
				got := string(value)
				if err != nil {
					got = err.Error()
					if !errors.As(err, new(*SyntaxError)) {
						t.Errorf("%T is not a position", err)
					}
				}
				if want == "" && err != nil {
					return // the text of this error comes from the library
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error("(-want +got):\n" + diff)
				}
			})
		}
	}
}

// These bodies of some megabytes are read to the end, or to an error far inside. A reader that goes back over a body once per
// word would need hours. So the test passes if it ends.
func TestDialectReadsAdversarialBodiesInLinearTime(t *testing.T) {
	t.Parallel()
	const n = 1 << 20
	for _, in := range []string{
		"[" + strings.Repeat(`"a "b `, n),
		"[" + strings.Repeat(`"a 'b `, n),
		"[" + strings.Repeat("\"a 'b \u201cc \u2018d ", n/4),
		"[" + strings.Repeat(`"a "`, n),
		"[" + strings.Repeat(`'a`, n),
		"[" + strings.Repeat("\u201ca ", n),
		"[" + `"a ` + strings.Repeat(`\"b `, n),
		"[" + `"a ` + strings.Repeat(`'\"b' `, n),
		"[" + `"a ` + strings.Repeat(`'b `, n),
		"[" + strings.Repeat("\"a //\\\"\n", n),
		"[" + strings.Repeat("\"a /*\\\"*/", n),
		"[" + strings.Repeat("a/**/", n),
		"[" + strings.Repeat("/*", n),
		"[" + strings.Repeat("//", n),
		"[" + strings.Repeat("a/*", n),
		"[" + strings.Repeat(`a"`, n),
		strings.Repeat("[", n),
		strings.Repeat("[a:", n),
		strings.Repeat("\"\n", n),
		strings.Repeat("\"", n),
		strings.Repeat("9", n),
		"{" + strings.Repeat("\"\n\n\n\n", n) + "\":1}",
		strings.Repeat("\\", n),
	} {
		out, err := ReadParams([]byte(in), false)
		if err == nil && !out.IsValid() {
			t.Errorf("%.20q... is read as something that is not JSON", in)
		}
	}
}
